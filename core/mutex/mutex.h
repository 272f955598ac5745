// Acquire and release: the fast paths, inline, and the doors to the cold ones.
//
// list_op_pending ("pending" below, P in docs/design/protocol.md) names the word that an operation is under way on, from
// before its first atomic access until after its last. If the thread dies anywhere between, the kernel looks at that word:
// own TID: owner_died is set, and one sleeper woken if the word has the waiters bit; TID 0: one sleeper is woken.
#pragma once

#include <sys/single_threaded.h>

#include <cstdint>

#include "mutex/layout.h"
#include "os/robust_list.h"
#include "os/thread.h"
#include "sync/robust_word.h"

#if defined(__SANITIZE_THREAD__)
#define SHMUTEX_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SHMUTEX_TSAN 1
#endif
#endif
#ifdef SHMUTEX_TSAN
extern "C" void __tsan_acquire(void*);
extern "C" void __tsan_release(void*);
#endif

namespace shmutex {

inline constexpr uint32_t max_depth = 1u << 20;

enum class WaitMode : uint8_t { wait, wait_interruptible, try_once };

namespace cold {
[[gnu::cold, gnu::noinline]] int acquire(Lock& lock, int64_t timeout_ns, WaitMode mode);
[[gnu::cold, gnu::noinline]] int own(Lock& lock);
[[gnu::cold, gnu::noinline]] int release(Lock& lock);
[[gnu::cold, gnu::noinline]] int release_word(Lock& lock);
}  // namespace cold

// ThreadSanitizer does not see the stores that the kernel makes for us.
inline void tsan_acquired([[maybe_unused]] Lock& lock) {
#ifdef SHMUTEX_TSAN
  __tsan_acquire(&lock.shared.word);
#endif
}
inline void tsan_releasing([[maybe_unused]] Lock& lock) {
#ifdef SHMUTEX_TSAN
  __tsan_release(&lock.shared.word);
#endif
}

inline void* word_entry(Lock& lock) {
  return robust::tagged(lock.priv.word_node, (lock.priv.attributes / attribute::fair) & 1);
}

// A node belongs to one thread's list. That no other thread of this process has it follows from owning the word, unless a
// peer forged the word; so threads claim the node with an atomic of their own. (A buffer's node is shared: claims mean
// nothing there, and the promise is not made.)
inline bool claim_node(Lock& lock, const Thread& self) {
  if (likely(__libc_single_threaded != 0) || (lock.priv.attributes & attribute::buffer) != 0) {
    if (unlikely(load_relaxed(lock.priv.linked_by) != 0)) return false;
    store_relaxed(lock.priv.linked_by, self.thread_uid);
    return true;
  }
  uint64_t nobody = 0;
  return cas_acquire(lock.priv.linked_by, nobody, self.thread_uid);
}

// Release: whoever claims it next, in this process, finds the node unlinked.
inline void unclaim_node(Lock& lock) { store_release(lock.priv.linked_by, uint64_t{0}); }

inline void link_node(Lock& lock, Thread& self, void* entry) {
  if (unlikely(!robust::is_empty(*self.head))) ++self.held;
  robust::link(*self.head, lock.priv.word_node, entry);
}

inline void unlink_node(Lock& lock, Thread& self) {
  robust::unlink(*self.head, lock.priv.word_node);
  if (unlikely(self.held != 0)) --self.held;
}

// Uncontended: one CAS on the word, and plain stores. (To leave `pending` set while the lock is held would save one of them,
// but fork(3) hands it on to the child, whose TID may be the owner's in another PID namespace.)
[[gnu::always_inline]] inline int acquire(Lock& lock, int64_t timeout_ns, WaitMode mode) {
  Thread& self = this_thread();
  if (unlikely(!is_current(self) || self.held >= count_from)) return cold::acquire(lock, timeout_ns, mode);
  void* const entry = word_entry(lock);
  robust::set_pending(*self.head, entry);
  uint32_t expected = 0;
  // The hint is advice only. Acquire: what the previous owner wrote is visible before what we do inside.
  if (unlikely(load_relaxed(lock.shared.yield_until) != 0 || !cas_acquire(lock.shared.word, expected, self.tid))) {
    return cold::acquire(lock, timeout_ns, mode);
  }
  tsan_acquired(lock);
  if (unlikely(load_relaxed(lock.shared.state) != 0 || !claim_node(lock, self))) return cold::own(lock);
  link_node(lock, self, entry);
  robust::clear_pending(*self.head);
  store_relaxed(lock.shared.last_owner, self.owner_id);
  bump(lock.shared.token);
  return 0;
}

[[gnu::always_inline]] inline int release(Lock& lock) {
  Thread& self = this_thread();
  if (unlikely(!is_current(self) || load_relaxed(lock.priv.linked_by) != self.thread_uid || lock.priv.depth != 0)) {
    return cold::release(lock);
  }
  robust::set_pending(*self.head, word_entry(lock));
  unlink_node(lock, self);
  unclaim_node(lock);
  tsan_releasing(lock);
  uint32_t expected = self.tid;
  if (unlikely(!cas_release(lock.shared.word, expected, 0u))) return cold::release_word(lock);
  // From here on the lock may be gone: another thread may have acquired, released and closed it.
  robust::clear_pending(*self.head);
  return 0;
}

inline bool is_owned(const Lock& lock) {
  const Thread& self = this_thread();
  // An unsettled cache, a forked child's among them, cannot own anything. (In a migrated process `refreshed` counts.)
  if (self.refreshed != current_fork_generation()) return false;
  return word::tid(load_relaxed(lock.shared.word)) == self.tid &&
         (load_relaxed(lock.priv.linked_by) == self.thread_uid ||
          load_relaxed(lock.priv.unlinked_by) == self.thread_uid);
}

int consistent(Lock& lock);
int poison(Lock& lock);

}  // namespace shmutex
