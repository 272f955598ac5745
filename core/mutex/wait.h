// What the plain and the fair algorithm have in common: how to wait, and how it ends.
#pragma once

#include "mutex/layout.h"
#include "os/clock.h"

namespace shmutex {

enum class WaitMode : uint8_t { wait, wait_interruptible, try_once };

inline constexpr int acquired = 0;

// A signal handler that ran during the wait has forked, and this is the child: it has not acquired the lock, and its
// place in the queue is its parent's. Beyond all values of errno.
inline constexpr int forked_while_waiting = 1 << 16;

// Sleeps are bounded, so that nothing depends on a waiter that is stopped, or on a notice of the kernel's that got
// lost.
inline constexpr int64_t first_slice = 50 * millisecond;
inline constexpr int64_t longest_slice = second;

// Remembers why a result of an acquisition is not 0, and returns it.
int record_failure(const Lock& lock, int result);

}  // namespace shmutex
