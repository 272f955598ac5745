#include "os/futex.h"

#include <errno.h>
#include <linux/futex.h>

#include "base/annotate.h"
#include "base/atomics.h"
#include "os/clock.h"
#include "os/syscall.h"

#ifndef FUTEX_LOCK_PI2  // Linux 5.14
#define FUTEX_LOCK_PI2 13
#endif

namespace shmutex::futex {
namespace {

long call(uint32_t& word, int operation, uint32_t value, const void* timeout_or_value2 = nullptr,
          uint32_t* word2 = nullptr, uint32_t value3 = 0) {
  return raw_syscall(SYS_futex, as_arg(&word), operation, static_cast<long>(value), as_arg(timeout_or_value2),
                     as_arg(word2), static_cast<long>(value3));
}

// FUTEX_WAKE_OP's second operation. The comparison with the old value must come out false: the kernel would wake one
// more sleeper otherwise. The word is owned, so "old value == 0" is false.
constexpr uint32_t set_to_zero = static_cast<uint32_t>(FUTEX_OP(FUTEX_OP_SET, 0, FUTEX_OP_CMP_EQ, 0));
constexpr uint32_t set_to_owner_died = static_cast<uint32_t>(
    FUTEX_OP(static_cast<unsigned>(FUTEX_OP_SET | FUTEX_OP_OPARG_SHIFT), 30u, FUTEX_OP_CMP_EQ, 0u));
static_assert(FUTEX_OWNER_DIED == 1u << 30);

}  // namespace

long wait(uint32_t& word, uint32_t expected, int64_t deadline_ns) {
  const timespec deadline = to_timespec(deadline_ns);
  return call(word, FUTEX_WAIT_BITSET, expected, &deadline, nullptr, FUTEX_BITSET_MATCH_ANY);
}

long wake_one(uint32_t& word) { return call(word, FUTEX_WAKE, 1); }

// A requeue from a word to itself wakes nobody, and returns how many it went past.
long sleepers(uint32_t& word) { return call(word, FUTEX_REQUEUE, 0, reinterpret_cast<void*>(INT32_MAX), &word); }

long release_and_wake_one(uint32_t& word, bool keep_died) {
  return call(word, FUTEX_WAKE_OP, 1, nullptr, &word, keep_died ? set_to_owner_died : set_to_zero);
}

long lock_pi(uint32_t& word, int64_t deadline_ns) {
  static int pi2_refused = 0;
  if (deadline_ns == Deadline::never_ns) return call(word, FUTEX_LOCK_PI, 0);
  if (load_relaxed(pi2_refused) == 0) {
    const timespec deadline = to_timespec(deadline_ns);
    const long result = call(word, FUTEX_LOCK_PI2, 0, &deadline);
    if (result != -ENOSYS) return result;
    annotate::untrack(&pi2_refused, sizeof pi2_refused);
    store_relaxed(pi2_refused, 1);
  }
  // Before Linux 5.14 the only clock is CLOCK_REALTIME: a step of the clock during the wait shifts the time-out.
  const int64_t left = deadline_ns - now_ns();
  const int64_t realtime = clock_ns(CLOCK_REALTIME);
  if (left > INT64_MAX - realtime) return call(word, FUTEX_LOCK_PI, 0);  // beyond the end of that clock: the year 2262
  const timespec deadline = to_timespec(realtime + left < 0 ? 0 : realtime + left);
  return call(word, FUTEX_LOCK_PI, 0, &deadline);
}

long trylock_pi(uint32_t& word) { return call(word, FUTEX_TRYLOCK_PI, 0); }

long unlock_pi(uint32_t& word) { return call(word, FUTEX_UNLOCK_PI, 0); }

}  // namespace shmutex::futex
