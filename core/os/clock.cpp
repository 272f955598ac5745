#include "os/clock.h"

#include "os/syscall.h"

namespace shmutex {

void sleep_until(int64_t instant_ns) {
  const timespec instant = to_timespec(instant_ns);
  raw_syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, as_arg(&instant), 0);
}

}  // namespace shmutex
