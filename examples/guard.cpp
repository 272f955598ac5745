// The standard's guards on a lock that processes share, and a recovery function for the day on which an owner dies
// inside.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <shmutex/shmutex.hpp>

#include <chrono>
#include <cstdio>
#include <exception>
#include <mutex>
#include <new>

namespace {

constexpr const char* lock_path = "/dev/shm/shmutex-example-guard.lock";

struct Interval {
  volatile int low = 0;
  volatile int high = 0;  // never below low
};

void widen(Interval& interval, bool die) {
  shmutex::mutex m(lock_path, [&](shmutex::mutex&) {
    std::puts("the last owner died inside: repairing");
    if (interval.high < interval.low) interval.high = interval.low;
  });
  const std::scoped_lock guard(m);
  interval.low = interval.low + 1;
  if (die) kill(getpid(), SIGKILL);
  interval.high = interval.high + 1;
}

// Without a recovery function: an exception, and the lock is not held.
void show_exception() {
  shmutex::mutex m(lock_path);
  try {
    const std::scoped_lock guard(m);
  } catch (const shmutex::owner_died& error) {
    std::printf("owner_died: %s\n", error.what());
  }
}

void show_timeout() {
  using namespace std::chrono_literals;
  shmutex::mutex m(lock_path);
  const std::unique_lock lock(m, 100ms);
  std::printf("held: %s, token %llu\n", lock.owns_lock() ? "yes" : "no", static_cast<unsigned long long>(m.token()));
}

int run() {
  void* const memory = mmap(nullptr, sizeof(Interval), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  auto& interval = *new (memory) Interval;

  widen(interval, false);
  const pid_t child = fork();
  if (child == 0) widen(interval, true);
  waitpid(child, nullptr, 0);

  show_exception();
  widen(interval, false);
  show_timeout();
  std::printf("[%d, %d]\n", interval.low, interval.high);
  shmutex::unlink(lock_path);
  return interval.low == 3 && interval.high == 3 ? 0 : 1;
}

}  // namespace

int main() {
  try {
    return run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
