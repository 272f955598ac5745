// Acquire and release: the fast paths, inline, and the doors to the cold ones.
//
// list_op_pending ("pending" below, P in docs/design/protocol.md) names the word that an operation is under way on,
// from before its first atomic access until after its last. If the thread dies anywhere between, the kernel looks at
// that word: own TID: owner_died is set, and one sleeper woken if the word has the waiters bit; TID 0: one sleeper is
// woken.
#pragma once

#include <cstdint>

#include "base/annotate.h"
#include "mutex/ownership.h"
#include "mutex/wait.h"

namespace shmutex {

inline constexpr uint32_t max_depth = 1u << 20;

namespace cold {
[[gnu::cold, gnu::noinline]] int acquire(Lock& lock, int64_t timeout_ns, WaitMode mode);
[[gnu::cold, gnu::noinline]] int own(Lock& lock);
[[gnu::cold, gnu::noinline]] int release(Lock& lock);
[[gnu::cold, gnu::noinline]] int release_word(Lock& lock);
}  // namespace cold

// Uncontended: one CAS on the word, and plain stores. (To leave `pending` set while the lock is held would save one of
// them, but fork(3) hands it on to the child, whose TID may be the owner's in another PID namespace.)
[[gnu::always_inline]] inline int acquire(Lock& lock, int64_t timeout_ns, WaitMode mode) {
  Thread& self = this_thread();
  if (unlikely(!is_current(self) || self.held >= count_from)) return cold::acquire(lock, timeout_ns, mode);
  void* const entry = word_entry(lock);
  robust::set_pending(*self.head, entry);
  uint32_t expected = 0;
  // yield_until is advice only. Acquire: what the previous owner wrote is visible before what we do inside.
  if (unlikely(load_relaxed(lock.shared.yield_until) != 0 || !cas_acquire(lock.shared.word, expected, self.tid))) {
    return cold::acquire(lock, timeout_ns, mode);
  }
  annotate::acquired_fast(&lock.shared.word);
  if (unlikely((load_relaxed(lock.shared.state) & state::flags) != 0 || !claim_node(lock, self)))
    return cold::own(lock);
  link_node(lock, self, entry);
  robust::clear_pending(*self.head);
  store_relaxed(lock.shared.last_owner, self.owner_id);
  bump(lock.shared.token);
  return 0;
}

[[gnu::always_inline]] inline int release(Lock& lock) {
  Thread& self = this_thread();
  if (unlikely(!is_current(self) || load_relaxed(lock.priv.linked_by) != self.thread_uid || depth(lock) != 0)) {
    return cold::release(lock);
  }
  robust::set_pending(*self.head, word_entry(lock));
  unlink_node(lock, self);
  unclaim_node(lock);
  annotate::releasing_fast(&lock.shared.word);
  uint32_t expected = self.tid;
  if (unlikely(!cas_release(lock.shared.word, expected, 0u))) return cold::release_word(lock);
  // From here on the lock may be gone: another thread may have acquired, released and closed it.
  robust::clear_pending(*self.head);
  return 0;
}

int consistent(Lock& lock);
int poison(Lock& lock);

}  // namespace shmutex
