#include "sync/wait_queue.h"

#include <errno.h>

#include "base/atomics.h"
#include "os/futex.h"
#include "os/robust_word.h"
#include "sync/owner_probe.h"

namespace shmutex {

int WaitQueue::wait(int64_t until_ns) {
  for (;;) {
    if (fork_.is_child()) return EINTR;
    uint32_t found = load_relaxed(baton_.word);
    if (word::is_free(found)) {
      // W always: so the kernel wakes the next in the queue if we die as its head.
      if (!cas_acquire(baton_.word, found, self_.tid | word::waiters)) continue;
      link();
      robust::clear_pending(head_);
      return 0;
    }
    const long woken = futex::wait(baton_.word, found, until_ns);
    if (woken != 0 && woken != -EAGAIN) return static_cast<int>(-woken);
  }
}

void WaitQueue::free_of_the_dead() {
  DeadOwner holder{};
  if (!find_dead_owner(baton_.word, holder)) return;
  if (take_from_dead_owner(baton_.word, holder, 0)) futex::wake_one(baton_.word);
}

// A baton that is free although a thread of this process has it linked is forged: then it is held without being linked.
void WaitQueue::link() {
  uint64_t found = load_relaxed(baton_.linked_by);
  if (found != 0 && thread_uid_tid(found) != self_.tid && thread_of_this_process_lives(thread_uid_tid(found))) return;
  if (!cas_acquire(baton_.linked_by, found, self_.thread_uid)) return;
  robust::link(head_, baton_.node, &baton_.node.next);
  linked_ = true;
}

void WaitQueue::pass_on() {
  if (fork_.is_child()) return;
  pend();
  if (linked_) {
    robust::unlink(head_, baton_.node);
    store_release(baton_.linked_by, uint64_t{0});
    linked_ = false;
  }
  store_release(baton_.word, 0u);
  futex::wake_one(baton_.word);
  robust::clear_pending(head_);
}

}  // namespace shmutex
