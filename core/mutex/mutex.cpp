// The cold halves of acquire and release: who owns the lock, recursion, and what plain and fair locks have in common.
#include "mutex/mutex.h"

#include <errno.h>

#include "error/failure.h"
#include "mutex/wait.h"

namespace shmutex {
namespace {

uint32_t owner_tid(const Lock& lock) { return word::tid(load_relaxed(lock.shared.word)); }

bool linked_by_self(const Lock& lock) { return load_relaxed(lock.priv.linked_by) == this_thread().thread_uid; }
bool unlinked_by_self(const Lock& lock) { return load_relaxed(lock.priv.unlinked_by) == this_thread().thread_uid; }

int acquire_again(Lock& lock, WaitMode mode) {
  if ((lock.priv.attributes & attribute::recursive) == 0) {
    if (mode == WaitMode::try_once) return fail(EBUSY, Reason::busy, path_of(lock), this_thread().tid);
    return fail(EDEADLK, Reason::self_deadlock, path_of(lock));
  }
  if (lock.priv.depth + 1 >= max_depth) return fail(EAGAIN, Reason::depth, path_of(lock), max_depth);
  ++lock.priv.depth;
  store_relaxed(lock.shared.depth, lock.priv.depth);
  return 0;
}

void give_up_node(Lock& lock) {
  if (linked_by_self(lock)) {
    unlink_node(lock, this_thread());
    unclaim_node(lock);
  } else {
    store_relaxed(lock.priv.unlinked_by, uint64_t{0});
  }
}

// Makes the node ours and links it. False: it is in the list of a living thread of this process.
bool link_claimed_node(Lock& lock) {
  Thread& self = this_thread();
  for (;;) {
    uint64_t found = load_relaxed(lock.priv.linked_by);
    if (found == self.thread_uid) return true;  // linked since a hold in which the word was overwritten
    const bool left_by_the_dead = found == 0 || is_buffer(lock) || thread_uid_tid(found) == self.tid ||
                                  !thread_of_this_process_lives(thread_uid_tid(found));
    if (!left_by_the_dead) return false;
    // Acquire: pairs with unclaim_node().
    if (cas_acquire(lock.priv.linked_by, found, self.thread_uid)) break;
  }
  link_node(lock, self, word_entry(lock));
  return true;
}

// Ends what a peer's overwriting of the word left of our ownership.
int forfeit(Lock& lock) {
  give_up_node(lock);
  robust::clear_pending(*this_thread().head);
  lock.priv.depth = 0;
  return fail(EPERM, Reason::overwritten, path_of(lock));
}

}  // namespace

int record_failure(const Lock& lock, int result) {
  const char* const path = path_of(lock);
  switch (result) {
    case acquired: return result;
    case EBUSY: return fail(result, Reason::busy, path, owner_tid(lock));
    case ETIMEDOUT: return fail(result, Reason::timed_out, path, owner_tid(lock));
    case EINTR: return fail(result, Reason::interrupted, path);
    case EDEADLK: return fail(result, Reason::cycle, path);
    case EOWNERDEAD: return fail(result, Reason::owner_died, path, load_relaxed(lock.shared.last_dead_tid));
    default: return fail(result, Reason::futex_refused, path, static_cast<uint64_t>(result));
  }
}

int finish_acquire(Lock& lock, Predecessor predecessor) {
  tsan_acquired(lock);
  Thread& self = this_thread();
  if (!link_claimed_node(lock)) {
    // The word was free although a thread of this process has the node in its list: forged. To take the node would tear
    // that thread's list, so hold without it; should we die, the others' probe finds out.
    store_relaxed(lock.priv.unlinked_by, self.thread_uid);
  }
  robust::clear_pending(*self.head);
  lock.priv.depth = 0;
  store_relaxed(lock.shared.depth, 0u);
  const uint64_t last_owner = load_relaxed(lock.shared.last_owner);
  if (predecessor.owner_just_died && last_owner != 0)
    store_relaxed(lock.shared.last_dead_tid, owner_id_tid(last_owner));
  store_relaxed(lock.shared.last_owner, self.owner_id);
  bump(lock.shared.token);
  return predecessor.inconsistent ? EOWNERDEAD : acquired;
}

int dead_lock_error(const Lock& lock) {
  const uint32_t found = load_relaxed(lock.shared.state);
  if (likely((found & (state::retired | state::poisoned)) == 0)) return 0;
  if ((found & state::retired) != 0) return fail(EIDRM, Reason::retired, path_of(lock));
  return fail(ENOTRECOVERABLE, Reason::poisoned, path_of(lock));
}

int refuse_if_dead(Lock& lock, int result) {
  const int error = dead_lock_error(lock);
  if (likely(error == 0)) return result;
  cold::release(lock);
  return error;
}

bool Probe::mark_if_dead(Lock& lock) {
  uint32_t found = load_relaxed(lock.shared.word);
  if (word::is_free(found)) return true;
  const uint64_t token = load_acquire(lock.shared.token);
  if (!thread_is_dead(word::tid(found)) || load_acquire(lock.shared.token) != token) return false;
  return cas_relaxed(lock.shared.word, found, word::orphaned(found));
}

namespace cold {

int acquire(Lock& lock, int64_t timeout_ns, WaitMode mode) {
  if (const int error = prepare(lock); error != 0) return error;
  Thread& self = this_thread();
  robust::clear_pending(*self.head);
  if (const int error = dead_lock_error(lock); error != 0) return error;
  if (owner_tid(lock) == self.tid) {
    if (linked_by_self(lock) || unlinked_by_self(lock)) return acquire_again(lock, mode);
    if (mode == WaitMode::try_once) return fail(EBUSY, Reason::busy, path_of(lock), self.tid);
    return fail(EDEADLK, Reason::two_copies, path_of(lock));
  }
  if (self.held >= count_from && robust::length(*self.head) >= max_held) {
    return fail(ENOLCK, Reason::too_many_held, path_of(lock), max_held);
  }
  const Deadline deadline = Deadline::after(mode == WaitMode::try_once ? 0 : timeout_ns);
  const int result = is_fair(lock) ? fair::acquire(lock, deadline, mode) : plain::acquire(lock, deadline, mode);
  return result == acquired || result == EOWNERDEAD ? refuse_if_dead(lock, result) : result;
}

// The fast path took the word, and found a dead lock, a dead thread's mark on the node, or a forged word.
int own(Lock& lock) {
  const bool inconsistent = (load_relaxed(lock.shared.state) & state::inconsistent) != 0;
  return refuse_if_dead(lock, record_failure(lock, finish_acquire(lock, {inconsistent, false})));
}

int release(Lock& lock) {
  if (const int error = prepare(lock); error != 0) return error;
  if (!linked_by_self(lock) && !unlinked_by_self(lock))
    return fail(EPERM, Reason::not_owner, path_of(lock), owner_tid(lock));
  Thread& self = this_thread();
  if (owner_tid(lock) != self.tid) return forfeit(lock);
  if (lock.priv.depth != 0) {
    --lock.priv.depth;
    store_relaxed(lock.shared.depth, lock.priv.depth);
    return 0;
  }
  robust::set_pending(*self.head, word_entry(lock));
  give_up_node(lock);
  tsan_releasing(lock);
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
