// The parts that the plain and the fair algorithm share.
#pragma once

#include "mutex/layout.h"
#include "mutex/mutex.h"
#include "os/clock.h"
#include "os/thread.h"

namespace shmutex {

inline constexpr int acquired = 0;

// Sleeps are bounded, so that nobody depends on a waiter that is stopped, or on a notice of the kernel's that got lost.
inline constexpr int64_t first_slice = 50 * millisecond;
inline constexpr int64_t longest_slice = second;

// What a new owner inherits: data that nobody has declared consistent, and whether that is fresh news.
struct Predecessor {
  bool inconsistent;
  bool owner_just_died;
};

// Bookkeeping after the word was taken: links the node, ends the pending operation, counts. Returns acquired or EOWNERDEAD.
int finish_acquire(Lock& lock, Predecessor predecessor);

// After finish_acquire() and after leaving the queue: a poisoned or retired lock is given back at once.
int refuse_if_dead(Lock& lock, int result);

// Remembers why a result of an acquisition is not 0, and returns it.
int record_failure(const Lock& lock, int result);

// 0, or why nobody will ever get this lock again. Also before waiting for it.
int dead_lock_error(const Lock& lock);

// Asks once a second whether the owner of a word, which the kernel did not report dead, is dead all the same (the kernel's
// notice can get lost: docs/design/crash-safety.md). A backstop: no normal path waits for it.
class Probe {
 public:
  explicit Probe(int64_t now) : next_(now + second), worthwhile_(now + first_slice) {}

  // Also at the end of a wait that was not just a moment: or callers with short time-outs would never find out.
  bool due(int64_t now, bool last_chance) {
    if (now < next_ && !(last_chance && now >= worthwhile_)) return false;
    next_ = now + second;
    return true;
  }

  // Marks the lock word's owner dead if he is, and the word is still his. Pending must name the lock word.
  static bool mark_if_dead(Lock& lock);

 private:
  int64_t next_;
  int64_t worthwhile_;
};

// Takes the word and settles in. Results as finish_acquire(), or EBUSY, ETIMEDOUT, EINTR, EDEADLK, what the kernel refused;
// explained, since without having acquired the lock the caller must not look at it any more: it may be closed by then.
// Nothing is pending on return.
namespace plain {
int acquire(Lock& lock, const Deadline& deadline, WaitMode mode);
}
namespace fair {
int acquire(Lock& lock, const Deadline& deadline, WaitMode mode);
}

// Gives up the word, whose value was `found` and is ours; the node is unlinked and the word pending. 0, or EPERM: it was
// overwritten; or what the kernel refused, the word being free all the same. On return the lock may be gone.
namespace plain {
int release(Lock& lock, uint32_t found);
}
namespace fair {
int release(Lock& lock, uint32_t found);
}

inline bool is_fair(const Lock& lock) { return (lock.priv.attributes & attribute::fair) != 0; }

}  // namespace shmutex
