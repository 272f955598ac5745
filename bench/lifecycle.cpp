// To open and close an existing lock, and to make and remove one. What has no name of its own (a pthread mutex, an
// interprocess_mutex) lives in a shared memory file, as its users must arrange it.
#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include "support/peers.h"

namespace bench {
namespace {

using boost::interprocess::named_mutex;

struct OurLock {
  static constexpr const char* id = "shmutex";
  std::string path = scratch_file(fresh_name());
  void create() { open_existing(); }
  void open_existing() {
    shmutex_t* lock = nullptr;
    check(shmutex_open(&lock, path.c_str(), 0, 0), "shmutex_open");
    check(shmutex_close(lock), "shmutex_close");
  }
  void remove() { check(shmutex_unlink(path.c_str(), 0), "shmutex_unlink"); }
};

struct MappedGlibcRobust {
  static constexpr const char* id = "glibc-robust";
  std::string name = "/shmutex-bench-" + fresh_name();
  void create() {
    const int file = shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
    if (file < 0 || ftruncate(file, sizeof(pthread_mutex_t)) != 0) die("shm_open");
    init_glibc(*map(file), Glibc::robust);
  }
  void open_existing() {
    const int file = shm_open(name.c_str(), O_RDWR, 0);
    if (file < 0) die("shm_open");
    map(file);
  }
  void remove() { shm_unlink(name.c_str()); }

 private:
  pthread_mutex_t* last = nullptr;
  pthread_mutex_t* map(int file) {
    if (last != nullptr) munmap(last, sizeof *last);
    void* const memory = mmap(nullptr, sizeof *last, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) die("mmap");
    close(file);
    last = static_cast<pthread_mutex_t*>(memory);
    benchmark::DoNotOptimize(*reinterpret_cast<volatile int*>(last));  // the page is there
    return last;
  }
};

struct NamedSemaphore {
  static constexpr const char* id = "sem_t";
  std::string name = "/shmutex-bench-" + fresh_name();
  void create() { close(sem_open(name.c_str(), O_CREAT | O_EXCL, 0600, 1)); }
  void open_existing() { close(sem_open(name.c_str(), 0)); }
  void remove() { sem_unlink(name.c_str()); }

 private:
  static void close(sem_t* semaphore) {
    if (semaphore == SEM_FAILED) die("sem_open");
    sem_close(semaphore);
  }
};

struct LockedFile {
  static constexpr const char* id = "flock";
  std::string path = scratch_file(fresh_name());
  void create() { close(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)); }
  void open_existing() { close(open(path.c_str(), O_RDWR | O_CLOEXEC)); }
  void remove() { unlink(path.c_str()); }
};

struct BoostNamed {
  static constexpr const char* id = "boost-named";
  std::string name = "shmutex-bench-" + fresh_name();
  void create() { named_mutex mutex(boost::interprocess::create_only, name.c_str(), 0600); }
  void open_existing() { named_mutex mutex(boost::interprocess::open_only, name.c_str()); }
  void remove() { named_mutex::remove(name.c_str()); }
};

template <class Peer>
void open_existing(benchmark::State& state) {
  Peer peer;
  peer.create();
  for (auto _ : state) peer.open_existing();
  peer.remove();
}

template <class Peer>
void create_remove(benchmark::State& state) {
  Peer peer;
  for (auto _ : state) {
    peer.create();
    peer.remove();
  }
}

template <class... Peers>
void register_all() {
  (benchmark::RegisterBenchmark((std::string("open/") + Peers::id).c_str(), open_existing<Peers>), ...);
  (benchmark::RegisterBenchmark((std::string("create-unlink/") + Peers::id).c_str(), create_remove<Peers>), ...);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;
  register_all<OurLock, MappedGlibcRobust, NamedSemaphore, LockedFile, BoostNamed>();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
