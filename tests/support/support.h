// What every test needs: real processes that never outlive their test, memory they share, a directory that goes away,
// and a watchdog for each test.
#pragma once

#include <pthread.h>
#include <sys/mman.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <new>
#include <string>
#include <type_traits>
#include <utility>

namespace support {

inline constexpr int64_t millisecond = 1'000'000;
inline constexpr int64_t second = 1000 * millisecond;

int64_t now_ns();  // CLOCK_MONOTONIC
void sleep_ms(int64_t ms);

// Polls until the condition holds. There is no limit here: the watchdog is the limit.
void wait_until(const std::function<bool()>& condition);

// Restarts the watchdog of the running test: for tests that are told how long to go on.
void expect_progress();

// A forked process that runs body() and exits with what it returns. Killed, by pid, and reaped when this goes out of
// scope.
class Child {
 public:
  explicit Child(const std::function<int()>& body);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  int wait();              // reaps; exit status, or 1000 + the number of the signal that ended it
  int kill_and_wait();     // SIGKILL
  bool is_asleep() const;  // /proc/<pid>/stat says S: with one thread, blocked in the kernel
  void wait_until_asleep() const;

 private:
  pid_t pid_ = -1;
};

// /proc/<pid or tid>/stat's state letter; 0: no such thread.
char thread_state(pid_t tid);

// Until a thread sleeps one long sleep, and not many short ones: it was not scheduled for 20 ms.
void wait_until_sleeping_on(pid_t tid);

// Anonymous memory shared with children forked later; zeroed, then constructed.
template <class T>
class Shared {
  static_assert(std::is_trivially_destructible_v<T>);

 public:
  Shared() {
    void* const memory = mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    value_ = new (memory) T();
  }
  ~Shared() { munmap(value_, sizeof(T)); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  T* operator->() { return value_; }
  T& operator*() { return *value_; }

 private:
  T* value_;
};

// One-shot events between processes; polled, so that they never touch what is being tested.
struct Flag {
  std::atomic<int> value{0};
  void raise() { value.store(1); }
  bool raised() const { return value.load() != 0; }
  void wait() const {
    wait_until([this] { return raised(); });
  }
};

// libc's own, robust and for several processes.
void make_robust(pthread_mutex_t& mutex);

// Where many processes or threads start at once, without polling. For Shared<StartLine>.
class StartLine {
 public:
  void open_for(unsigned participants);
  void cross() { pthread_barrier_wait(&barrier_); }

 private:
  pthread_barrier_t barrier_;
};

// A fresh directory; on tmpfs by default. Removed, with what is in it, at the end.
class TempDir {
 public:
  explicit TempDir(const std::string& parent = "/dev/shm");
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace support
