// What many locks cost: the time to make and to open each, the opening process's memory, and the shared pages.
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fstream>
#include <string>

#include "support/options.h"
#include "support/peers.h"
#include "support/workers.h"

namespace bench {
namespace {

struct Memory {
  int64_t rss_kib = 0;
  int64_t pss_kib = 0;
  int64_t page_tables_kib = 0;
};

Memory memory_now() {
  Memory memory;
  const auto scan = [](const char* path, auto&& take) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
      const std::size_t colon = line.find(':');
      if (colon != std::string::npos) take(line.substr(0, colon), atoll(line.c_str() + colon + 1));
    }
  };
  scan("/proc/self/smaps_rollup", [&](const std::string& name, int64_t kib) {
    if (name == "Rss") memory.rss_kib = kib;
    if (name == "Pss") memory.pss_kib = kib;
  });
  scan("/proc/self/status", [&](const std::string& name, int64_t kib) {
    if (name == "VmPTE") memory.page_tables_kib = kib;
  });
  return memory;
}

int64_t page_cache_of(const std::string& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) die(path.c_str());
  return int64_t{512} * found.st_blocks;
}

// --- kinds of crowds: make(i) once for all, open(i) in the process that is measured
// ------------------------------------

class OurFiles {
 public:
  static constexpr const char* id = "shmutex";
  explicit OurFiles(int) {}
  void make(int i) {
    shmutex_t* lock = nullptr;
    check(shmutex_open(&lock, path(i).c_str(), SHMUTEX_MUST_CREATE, 0), "shmutex_open");
  }
  void open(int i) {
    shmutex_t* lock = nullptr;
    check(shmutex_open(&lock, path(i).c_str(), SHMUTEX_MUST_EXIST, 0), "shmutex_open");
  }
  int64_t shared_bytes(int i) { return page_cache_of(path(i)); }
  void remove(int i) { check(shmutex_unlink(path(i).c_str(), 0), "shmutex_unlink"); }

 private:
  std::string folder_ = scratch_folder();
  std::string path(int i) const { return folder_ + "/" + std::to_string(i); }
};

class GlibcFiles {
 public:
  static constexpr const char* id = "glibc-robust";
  explicit GlibcFiles(int) {}
  void make(int i) { init_glibc(*map(i, O_CREAT | O_EXCL), Glibc::robust); }
  void open(int i) { static_cast<volatile char*>(static_cast<void*>(map(i, 0)))[0]; }
  int64_t shared_bytes(int i) { return page_cache_of(path(i)); }
  void remove(int i) { unlink(path(i).c_str()); }

 private:
  std::string folder_ = scratch_folder();
  std::string path(int i) const { return folder_ + "/" + std::to_string(i); }
  pthread_mutex_t* map(int i, int flags) const {
    const int file = ::open(path(i).c_str(), O_RDWR | O_CLOEXEC | flags, 0600);
    if (file < 0 || (flags != 0 && ftruncate(file, sizeof(pthread_mutex_t)) != 0)) die("open");
    void* const memory = mmap(nullptr, sizeof(pthread_mutex_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) die("mmap");
    close(file);
    return static_cast<pthread_mutex_t*>(memory);
  }
};

class NamedSemaphores {
 public:
  static constexpr const char* id = "sem_t";
  explicit NamedSemaphores(int) {}
  void make(int i) { check_open(sem_open(name(i).c_str(), O_CREAT | O_EXCL, 0600, 1)); }
  void open(int i) { check_open(sem_open(name(i).c_str(), 0)); }
  int64_t shared_bytes(int i) { return page_cache_of("/dev/shm/sem." + name(i).substr(1)); }
  void remove(int i) { sem_unlink(name(i).c_str()); }

 private:
  std::string base_ = "/shmutex-bench-" + fresh_name() + "-";
  std::string name(int i) const { return base_ + std::to_string(i); }
  static void check_open(const sem_t* semaphore) {
    if (semaphore == SEM_FAILED) die("sem_open");
  }
};

class OurBuffers {
 public:
  static constexpr const char* id = "shmutex-buffer";
  explicit OurBuffers(int count)
      : size_(SHMUTEX_SIZE * static_cast<size_t>(count)), memory_(static_cast<char*>(bench::shared_bytes(size_))) {}
  ~OurBuffers() { unmap(memory_, size_); }
  OurBuffers(const OurBuffers&) = delete;
  OurBuffers& operator=(const OurBuffers&) = delete;
  void make(int i) { check(shmutex_init(at(i), SHMUTEX_SIZE, 0), "shmutex_init"); }
  void open(int i) {
    shmutex_t* lock = nullptr;
    check(shmutex_attach(&lock, at(i), SHMUTEX_SIZE, 0), "shmutex_attach");
  }
  int64_t shared_bytes(int) { return SHMUTEX_SIZE; }
  void remove(int) {}

 private:
  size_t size_;
  char* memory_;
  void* at(int i) { return memory_ + SHMUTEX_SIZE * static_cast<size_t>(i); }
};

class GlibcArray {
 public:
  static constexpr const char* id = "glibc-robust-array";
  explicit GlibcArray(int count)
      : size_(sizeof(pthread_mutex_t) * static_cast<size_t>(count)),
        memory_(static_cast<pthread_mutex_t*>(bench::shared_bytes(size_))) {}
  ~GlibcArray() { unmap(memory_, size_); }
  GlibcArray(const GlibcArray&) = delete;
  GlibcArray& operator=(const GlibcArray&) = delete;
  void make(int i) { init_glibc(memory_[i], Glibc::robust); }
  void open(int i) { *reinterpret_cast<volatile char*>(&memory_[i]); }
  int64_t shared_bytes(int) { return sizeof(pthread_mutex_t); }
  void remove(int) {}

 private:
  size_t size_;
  pthread_mutex_t* memory_;
};

// --- measuring -------------------------------------------------------------------------------------------------------

struct Figures {
  double make_ns_each;
  double open_ns_each;
  Memory grown;
};

template <class Body>
void in_child(Body&& body) {
  const pid_t child = fork_child(body);
  int status = 0;
  if (waitpid(child, &status, 0) != child || status != 0) check(ECHILD, "a measuring process");
}

template <class Crowd>
void measure(int count, int round) {
  Shared<Figures> memory;
  Figures& figures = *memory;
  Crowd crowd(count);
  in_child([&] {
    const int64_t start = now_ns();
    for (int i = 0; i < count; ++i) crowd.make(i);
    figures.make_ns_each = static_cast<double>(now_ns() - start) / count;
  });
  in_child([&] {
    const Memory before = memory_now();
    const int64_t start = now_ns();
    for (int i = 0; i < count; ++i) crowd.open(i);
    figures.open_ns_each = static_cast<double>(now_ns() - start) / count;
    const Memory after = memory_now();
    figures.grown = {after.rss_kib - before.rss_kib, after.pss_kib - before.pss_kib,
                     after.page_tables_kib - before.page_tables_kib};
  });
  int64_t shared_bytes = 0;
  for (int i = 0; i < count; ++i) {
    shared_bytes += crowd.shared_bytes(i);
    crowd.remove(i);
  }
  printf(
      "{\"lock\": \"%s\", \"count\": %d, \"round\": %d, \"make_ns\": %.0f, \"open_ns\": %.0f, \"rss_kib\": %lld, "
      "\"pss_kib\": %lld, \"page_tables_kib\": %lld, \"shared_kib\": %lld}\n",
      Crowd::id, count, round, figures.make_ns_each, figures.open_ns_each,
      static_cast<long long>(figures.grown.rss_kib), static_cast<long long>(figures.grown.pss_kib),
      static_cast<long long>(figures.grown.page_tables_kib), static_cast<long long>(shared_bytes / 1024));
  fflush(stdout);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;
  const Options options(argc, argv, {"files", "buffers", "rounds"});
  const int files = options.integer("files", 10000);
  const int buffers = options.integer("buffers", 1000000);
  for (int round = 0; round < options.integer("rounds", 3); ++round) {
    measure<OurFiles>(files, round);
    measure<GlibcFiles>(files, round);
    measure<NamedSemaphores>(files, round);
    measure<OurBuffers>(buffers, round);
    measure<GlibcArray>(buffers, round);
  }
}
