// Time: nanoseconds on CLOCK_MONOTONIC, and deadlines on it.
#pragma once

#include <time.h>

#include <cstdint>

namespace shmutex {

inline constexpr int64_t microsecond = 1000;
inline constexpr int64_t millisecond = 1000 * microsecond;
inline constexpr int64_t second = 1000 * millisecond;

inline int64_t clock_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<int64_t>(now.tv_sec) * second + now.tv_nsec;
}

inline int64_t now_ns() { return clock_ns(CLOCK_MONOTONIC); }

inline timespec to_timespec(int64_t ns) { return {static_cast<time_t>(ns / second), static_cast<long>(ns % second)}; }

// Sleeps until that instant, or until a signal handler ran.
void sleep_until(int64_t instant_ns);

// An instant, or never.
class Deadline {
 public:
  static constexpr int64_t never_ns = INT64_MAX;

  // < 0: never. Timeouts beyond the end of the clock are never, too.
  static Deadline after(int64_t timeout_ns) {
    if (timeout_ns < 0) return Deadline{never_ns};
    const int64_t now = now_ns();
    return Deadline{timeout_ns > never_ns - now ? never_ns : now + timeout_ns};
  }

  int64_t ns() const { return ns_; }
  bool never() const { return ns_ == never_ns; }
  bool passed(int64_t now) const { return now >= ns_; }
  int64_t earlier_of(int64_t instant) const { return instant < ns_ ? instant : ns_; }

 private:
  explicit Deadline(int64_t ns) : ns_(ns) {}
  int64_t ns_;
};

}  // namespace shmutex
