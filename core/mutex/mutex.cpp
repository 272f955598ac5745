// The cold halves of acquire and release: recursion, refusals, and the choice between plain and fair.
#include "mutex/mutex.h"

#include <errno.h>

#include "base/annotate.h"
#include "error/failure.h"
#include "mutex/fair.h"
#include "mutex/plain.h"
#include "object/mapping.h"

namespace shmutex {
namespace {

int acquire_again(Lock& lock, WaitMode mode) {
  if ((attributes(lock) & attribute::recursive) == 0) {
    if (mode == WaitMode::try_once) return fail(EBUSY, Reason::busy, path_of(lock), this_thread().tid);
    return fail(EDEADLK, Reason::self_deadlock, path_of(lock));
  }
  if (depth(lock) + 1 >= max_depth) return fail(EAGAIN, Reason::depth, path_of(lock), max_depth);
  set_depth(lock, depth(lock) + 1);
  store_relaxed(lock.shared.depth, depth(lock));
  return 0;
}

// 0, or why nobody will ever get this lock again. Also before waiting for it.
int dead_lock_error(const Lock& lock) {
  const uint32_t found = load_relaxed(lock.shared.state);
  if (likely((found & (state::retired | state::poisoned)) == 0)) return 0;
  if ((found & state::retired) != 0) return fail(EIDRM, Reason::retired, path_of(lock));
  return fail(ENOTRECOVERABLE, Reason::poisoned, path_of(lock));
}

// An acquired lock that is poisoned or retired is given back at once.
int refuse_if_dead(Lock& lock, int result) {
  const int error = dead_lock_error(lock);
  if (likely(error == 0)) return result;
  cold::release(lock);
  return error;
}

bool is_fair(const Lock& lock) { return (attributes(lock) & attribute::fair) != 0; }

}  // namespace

namespace cold {

int acquire(Lock& lock, int64_t timeout_ns, WaitMode mode) {
  if (const int error = prepare(lock); error != 0) return error;
  Thread& self = this_thread();
  robust::clear_pending(*self.head);
  if (const int error = dead_lock_error(lock); error != 0) return error;
  if (owner_tid(lock) == self.tid) {
    if (is_recorded_owner(lock)) return acquire_again(lock, mode);
    if (mode == WaitMode::try_once) return fail(EBUSY, Reason::busy, path_of(lock), self.tid);
    return fail(EDEADLK, Reason::two_copies, path_of(lock));
  }
  if (self.held >= count_from && robust::length(*self.head) >= max_held) {
    return fail(ENOLCK, Reason::too_many_held, path_of(lock), max_held);
  }
  if (const int error = ensure_users_lock(lock); error != 0) return error;
  const Deadline deadline = Deadline::after(mode == WaitMode::try_once ? 0 : timeout_ns);
  const int result = is_fair(lock) ? fair::acquire(lock, deadline, mode) : plain::acquire(lock, deadline, mode);
  if (result == acquired || result == EOWNERDEAD) return refuse_if_dead(lock, result);
  if (likely(result != forked_while_waiting)) return result;
  // From here on it is the child's own call.
  if (mode == WaitMode::wait_interruptible) {
    const int error = prepare(lock);
    return error != 0 ? error : fail(EINTR, Reason::interrupted, path_of(lock));
  }
  const int64_t left = deadline.ns() - now_ns();
  return cold::acquire(lock, deadline.never() ? -1 : left > 0 ? left : 0, mode);
}

// The fast path took the word, and found a dead lock, a dead thread's mark on the node, or a forged word.
int own(Lock& lock) {
  const bool inconsistent = (load_relaxed(lock.shared.state) & state::inconsistent) != 0;
  return refuse_if_dead(lock, record_failure(lock, finish_acquire(lock, {inconsistent, false})));
}

int release(Lock& lock) {
  if (const int error = prepare(lock); error != 0) return error;
  if (!is_recorded_owner(lock)) return fail(EPERM, Reason::not_owner, path_of(lock), owner_tid(lock));
  Thread& self = this_thread();
  if (owner_tid(lock) != self.tid) {
    const int error = fail(EPERM, Reason::overwritten, path_of(lock));
    forfeit(lock);
    return error;
  }
  if (depth(lock) != 0) {
    set_depth(lock, depth(lock) - 1);
    store_relaxed(lock.shared.depth, depth(lock));
    return 0;
  }
  robust::set_pending(*self.head, word_entry(lock));
  give_up_node(lock);
  annotate::releasing(&lock.shared.word);
  return release_word(lock);
}

int release_word(Lock& lock) {
  Thread& self = this_thread();
  const uint32_t found = load_relaxed(lock.shared.word);
  int error = EPERM;
  if (word::tid(found) == self.tid) error = is_fair(lock) ? fair::release(lock, found) : plain::release(lock, found);
  robust::clear_pending(*self.head);
  if (likely(error == 0)) return 0;
  if (error == EPERM) return fail(error, Reason::overwritten);
  return fail(error, Reason::futex_refused, nullptr, static_cast<uint64_t>(error));
}

}  // namespace cold

int consistent(Lock& lock) {
  if (const int error = prepare(lock); error != 0) return error;
  if (!is_owned(lock)) return fail(EPERM, Reason::not_owner, path_of(lock), owner_tid(lock));
  if (const int error = dead_lock_error(lock); error != 0) return error;
  const uint32_t state = load_relaxed(lock.shared.state);
  if ((load_relaxed(lock.shared.word) & word::owner_died) == 0 && (state & state::inconsistent) == 0) {
    return fail(EINVAL, Reason::not_inconsistent, path_of(lock));
  }
  bump(lock.shared.recoveries);
  if ((state & state::inconsistent) != 0)
    __atomic_and_fetch(&lock.shared.state, ~state::inconsistent, __ATOMIC_RELAXED);
  __atomic_and_fetch(&lock.shared.word, ~word::owner_died, __ATOMIC_RELAXED);
  return 0;
}

int poison(Lock& lock) {
  if (const int error = prepare(lock); error != 0) return error;
  if (!is_owned(lock)) return fail(EPERM, Reason::not_owner, path_of(lock), owner_tid(lock));
  __atomic_or_fetch(&lock.shared.state, state::poisoned, __ATOMIC_RELAXED);
  return 0;
}

}  // namespace shmutex
