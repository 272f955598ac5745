#include "support/system.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace bench {
namespace {

class Scratch {
 public:
  Scratch() : owner_(getpid()) {
    char name[] = "/dev/shm/shmutex-bench-XXXXXX";
    if (mkdtemp(name) == nullptr) die("mkdtemp in /dev/shm");
    folder_ = name;
  }
  ~Scratch() {
    std::error_code ignored;
    if (getpid() == owner_) std::filesystem::remove_all(folder_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::string& folder() const { return folder_; }

 private:
  pid_t owner_;
  std::string folder_;
};

}  // namespace

void die(const char* what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

void check(int error, const char* what) {
  if (error == 0) return;
  errno = error;
  die(what);
}

void* shared_bytes(std::size_t size) {
  void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) die("mmap");
  return memory;
}

void unmap(void* memory, std::size_t size) {
  if (munmap(memory, size) != 0) die("munmap");
}

const std::string& scratch_folder() {
  static const Scratch scratch;
  return scratch.folder();
}

std::string scratch_file(const std::string& name) { return scratch_folder() + "/" + name; }

int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{1000000000} * now.tv_sec + now.tv_nsec;
}

uint64_t turns_per_us() {
  static const uint64_t turns = [] {
    constexpr uint64_t trial = 20000;
    int64_t fastest = INT64_MAX;
    for (int i = 0; i < 500; ++i) {
      const int64_t start = now_ns();
      busy(trial);
      fastest = std::min(fastest, now_ns() - start);
    }
    return trial * 1000 / static_cast<uint64_t>(std::max<int64_t>(fastest, 1));
  }();
  return turns;
}

uint64_t turns_for(int64_t ns) { return turns_per_us() * static_cast<uint64_t>(ns) / 1000; }

}  // namespace bench
