// Plain locks: the head waiter and the queue behind it. The cold halves of acquire and release.
#pragma once

#include "mutex/wait.h"

namespace shmutex::plain {

// Takes the word and finishes the acquisition. Results as finish_acquire(), or EBUSY, ETIMEDOUT, EINTR, EDEADLK, what
// the kernel refused; recorded, since without having acquired the lock the caller must not look at it any more: it may
// be closed by then. Nothing is pending on return.
int acquire(Lock& lock, const Deadline& deadline, WaitMode mode);

// Gives up the word, whose value was `found` and is ours; the node is unlinked and the word pending. 0, or EPERM: it
// was overwritten; or what the kernel refused, the word being free all the same. On return the lock may be gone.
int release(Lock& lock, uint32_t found);

}  // namespace shmutex::plain
