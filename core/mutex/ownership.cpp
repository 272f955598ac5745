#include "mutex/ownership.h"

#include <errno.h>

#include "base/annotate.h"

namespace shmutex {
namespace {

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

}  // namespace

int finish_acquire(Lock& lock, Predecessor predecessor) {
  Thread& self = this_thread();
  if (unlikely(self.refreshed != current_fork_generation())) return 0;  // forked in a handler: the parent's business
  annotate::acquired(&lock.shared.word);
  if (!link_claimed_node(lock)) {
    // The word was free although a thread of this process has the node in its list: forged. To take the node would tear
    // that thread's list, so hold without it; should we die, the others' probe finds out.
    store_relaxed(lock.priv.unlinked_by, self.thread_uid);
  }
  robust::clear_pending(*self.head);
  set_depth(lock, 0);
  store_relaxed(lock.shared.depth, 0u);
  const uint64_t last_owner = load_relaxed(lock.shared.last_owner);
  if (predecessor.owner_just_died && last_owner != 0)
    store_relaxed(lock.shared.last_dead_tid, owner_id_tid(last_owner));
  store_relaxed(lock.shared.last_owner, self.owner_id);
  bump(lock.shared.token);
  return predecessor.inconsistent ? EOWNERDEAD : 0;
}

void give_up_node(Lock& lock) {
  if (load_relaxed(lock.priv.linked_by) == this_thread().thread_uid) {
    unlink_node(lock, this_thread());
    unclaim_node(lock);
  } else {
    store_relaxed(lock.priv.unlinked_by, uint64_t{0});
  }
}

void forfeit(Lock& lock) {
  set_depth(lock, 0);
  give_up_node(lock);  // at last: another thread may close the lock from then on
  robust::clear_pending(*this_thread().head);
}

}  // namespace shmutex
