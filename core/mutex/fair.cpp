// Fair locks: the kernel's priority-inheritance futexes (futex(2), Documentation/locking/pi-futex.rst). The kernel
// queues, hands over in order of arrival within a priority, boosts the owner, and finds cycles. User space takes and
// releases the word only where it is exactly 0, or exactly the owner's TID; everything else is the kernel's.
//
// The kernel drops FUTEX_OWNER_DIED when it hands over. So the owner keeps that news in state::inconsistent.
#include "mutex/fair.h"

#include <errno.h>

#include "mutex/hold_note.h"
#include "mutex/ownership.h"
#include "os/futex.h"
#include "sync/owner_probe.h"

namespace shmutex::fair {
namespace {

constexpr int64_t interruptible_slice = 100 * millisecond;
constexpr int64_t nap = 10 * millisecond;

int finish_acquire_fair(Lock& lock) {
  const bool just_died = (load_relaxed(lock.shared.word) & word::owner_died) != 0;
  if (just_died) __atomic_or_fetch(&lock.shared.state, state::inconsistent, __ATOMIC_RELAXED);
  return finish_acquire(lock, {(load_relaxed(lock.shared.state) & state::inconsistent) != 0, just_died});
}

// Whether the system call is available at all, tried on a word of our own.
bool pi_futexes_work() {
  uint32_t word = 0;
  if (futex::lock_pi(word, now_ns()) < 0) return false;
  return futex::unlock_pi(word) == 0;
}

class Waiter {
 public:
  Waiter(Lock& lock, const Deadline& deadline, WaitMode mode) : lock_(lock), deadline_(deadline), mode_(mode) {}

  int run() {
    pend_on_word();
    uint32_t free = 0;
    if (cas_acquire(lock_.shared.word, free, self_.tid)) return record_failure(lock_, finish_acquire_fair(lock_));
    if (mode_ == WaitMode::try_once) return record_failure(lock_, try_once());
    const WaitScope inside(lock_);
    const int result = wait();
    if (result == acquired || result == EOWNERDEAD) bump(lock_.shared.contended);
    return record_failure(lock_, result);
  }

 private:
  void pend_on_word() { robust::set_pending(head_, word_entry(lock_)); }

  int give_up(int error) {
    robust::clear_pending(head_);
    return error;
  }

  int try_once() {
    for (;;) {
      const long result = futex::trylock_pi(lock_.shared.word);
      if (result == 0) return finish_acquire_fair(lock_);
      switch (-result) {
        case ESRCH:  // no thread has the TID in the word: a lost notice, or forged
          if (mark_if_dead(lock_.shared.word)) continue;
          [[fallthrough]];
        case EAGAIN:   // held
        case EDEADLK:  // by us, says the word
        case EPERM:    // by a thread of the kernel, says the word: forged
        case EINVAL:   // the kernel knows of another owner than the word: forged
          return give_up(EBUSY);
        default: return give_up(static_cast<int>(-result));
      }
    }
  }

  int wait() {
    const bool sliced = mode_ == WaitMode::wait_interruptible;
    // The slice is of the call, not of each sleep in it.
    const int64_t limit = sliced ? deadline_.earlier_of(now_ns() + interruptible_slice) : deadline_.ns();
    for (;;) {
      note_hold(lock_, now_ns());
      const long result = futex::lock_pi(lock_.shared.word, limit);
      if (fork_.is_child()) return finish_in_child(result);
      if (result == 0) return finish_acquire_fair(lock_);
      switch (-result) {
        case EAGAIN:  // the owner is just exiting
        case EINTR: break;
        case ESRCH:
          if (mark_if_dead(lock_.shared.word)) continue;
          [[fallthrough]];
        case EPERM:
          // By the kernel: the word names one of its own threads, forged. Or a sandbox says so to every futex call.
          if (!pi_futexes_work()) return give_up(EPERM);
          [[fallthrough]];
        case EINVAL: rest(limit); break;
        case ETIMEDOUT: break;
        default: return give_up(static_cast<int>(-result));
      }
      const int64_t now = now_ns();
      if (deadline_.passed(now)) return give_up(ETIMEDOUT);
      if (sliced && (result == -EINTR || now >= limit)) return give_up(EINTR);
    }
  }

  // A signal handler has forked. The kernel restarts the wait after it, in the child too: on its own account.
  int finish_in_child(long result) {
    refresh_thread();
    if (result != 0 || owner_tid(lock_) != self_.tid) return forked_while_waiting;
    pend_on_word();
    return finish_acquire_fair(lock_);
  }

  // The word names an owner that cannot be waited for; until that changes, look again now and then.
  void rest(int64_t limit) {
    robust::clear_pending(head_);
    const int64_t soon = now_ns() + nap;
    sleep_until(soon < limit ? soon : limit);
    pend_on_word();
  }

  Lock& lock_;
  const Deadline& deadline_;
  const WaitMode mode_;
  Thread& self_ = this_thread();
  RobustHead& head_ = *self_.head;
  const ForkWatch fork_;
};

}  // namespace

int acquire(Lock& lock, const Deadline& deadline, WaitMode mode) { return Waiter(lock, deadline, mode).run(); }

int release(Lock& lock, uint32_t found) {
  const uint32_t self = this_thread().tid;
  if (found == self && cas_release(lock.shared.word, found, 0u)) return 0;
  release_fence();
  long result = -EAGAIN;
  // EAGAIN: the word changed while the kernel looked. A waiter came and left, setting W; or a peer overwrites it.
  for (int tries = 0; result == -EAGAIN && tries < 100; ++tries) result = futex::unlock_pi(lock.shared.word);
  if (result >= 0) return 0;
  if (result == -EPERM) return EPERM;
  // The kernel will not hand over: what it knows and what the word says differ, so the word was overwritten.
  uint32_t word = load_relaxed(lock.shared.word);
  while (word::tid(word) == self && !cas_release(lock.shared.word, word, 0u)) {
  }
  return result == -EINVAL || result == -EAGAIN || result == -ESRCH ? EPERM : static_cast<int>(-result);
}

}  // namespace shmutex::fair
