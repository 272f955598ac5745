// Who owns a lock, and the claim on its node: what the fast paths, plain and fair locks do to become owner and to end
// it.
//
// I am the owner means: the word's TID is mine, and the private record (linked_by, or unlinked_by) has my thread_uid.
// The record alone outlives its thread; the word alone may be another copy of the library's.
#pragma once

#include <sys/single_threaded.h>

#include <cstdint>

#include "mutex/layout.h"
#include "os/robust_list.h"
#include "os/robust_word.h"
#include "os/thread.h"

namespace shmutex {

inline void* word_entry(Lock& lock) {
  return robust::tagged(lock.priv.word_node, (attributes(lock) / attribute::fair) & 1);
}

// A node belongs to one thread's list. That no other thread of this process has it follows from owning the word, unless
// a peer forged the word; so threads claim the node with an atomic of their own. (A buffer's node is shared: claims
// mean nothing there, and the promise is not made.)
inline bool claim_node(Lock& lock, const Thread& self) {
  if (likely(__libc_single_threaded != 0) || is_buffer(lock)) {
    if (unlikely(load_relaxed(lock.priv.linked_by) != 0)) return false;
    store_relaxed(lock.priv.linked_by, self.thread_uid);
    return true;
  }
  uint64_t nobody = 0;
  return cas_acquire(lock.priv.linked_by, nobody, self.thread_uid);
}

// Release: the thread that claims it next, in this process, finds the node unlinked.
inline void unclaim_node(Lock& lock) { store_release(lock.priv.linked_by, uint64_t{0}); }

inline void link_node(Lock& lock, Thread& self, void* entry) {
  if (unlikely(!robust::is_empty(*self.head))) ++self.held;
  robust::link(*self.head, lock.priv.word_node, entry);
}

inline void unlink_node(Lock& lock, Thread& self) {
  robust::unlink(*self.head, lock.priv.word_node);
  if (unlikely(self.held != 0)) --self.held;
}

inline uint32_t owner_tid(const Lock& lock) { return word::tid(load_relaxed(lock.shared.word)); }

// Whether the private record names the calling thread: it holds, unless the word was overwritten.
inline bool is_recorded_owner(const Lock& lock) {
  const uint64_t self = this_thread().thread_uid;
  return load_relaxed(lock.priv.linked_by) == self || load_relaxed(lock.priv.unlinked_by) == self;
}

inline bool is_owned(const Lock& lock) {
  const Thread& self = this_thread();
  // A cache that was not refreshed, a forked child's among them, cannot own anything. (In a migrated process
  // `refreshed` counts.)
  if (self.refreshed != current_fork_generation()) return false;
  return owner_tid(lock) == self.tid && is_recorded_owner(lock);
}

// What a new owner inherits: data that nobody has declared consistent, and whether that is fresh news.
struct Predecessor {
  bool inconsistent;
  bool owner_just_died;
};

// After the word was taken: links the node, ends the pending operation, counts. Returns 0 or EOWNERDEAD.
int finish_acquire(Lock& lock, Predecessor predecessor);

// Before the word is released: unlinks the node, and ends the record.
void give_up_node(Lock& lock);

// Ends what a peer's overwriting of the word left of our ownership.
void forfeit(Lock& lock);

}  // namespace shmutex
