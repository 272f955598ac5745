// The queue of a primitive's waiters: a robust word of its own, the baton. Only its holder, the head waiter, sleeps on
// what the primitive waits for; all others sleep on the baton. So a wake there can reach one known thread only. If that
// thread dies with the wake, it is the baton's dead owner, for which the kernel wakes the next in the queue.
//
// The baton always carries W, and is woken always when it is passed on, whether or not a thread seems to sleep there:
// what a killed holder still owed is then paid by the next (docs/design/protocol.md).
#pragma once

#include <cstdint>

#include "os/clock.h"
#include "os/robust_list.h"
#include "os/thread.h"

namespace shmutex {

// Where the baton lies. `linked_by`, private to the process: thread_uid of the thread in whose robust list the node is.
struct Baton {
  uint32_t& word;
  Node& node;
  uint64_t& linked_by;
};

// One thread's turn in the queue.
class WaitQueue {
 public:
  explicit WaitQueue(Baton baton) : baton_(baton) {}

  // Before wait().
  void pend() { robust::set_pending(head_, &baton_.node.next); }

  // Waits until this thread is the head waiter, at the latest until then. The baton must be pending. 0: head, and
  // nothing is pending. ETIMEDOUT, EINTR (a signal handler ran, or this is the child that it forked), or what futex(2)
  // refused: not so; the baton is still pending. No wake was consumed then, so nothing is owed to the others.
  int wait(int64_t until_ns);

  // After ETIMEDOUT: frees a baton whose holder's death the kernel did not report.
  void free_of_the_dead();

  // The head waiter leaves. Nothing may be pending. (In a child forked meanwhile the baton is the parent's.)
  void pass_on();

 private:
  void link();

  Baton baton_;
  Thread& self_ = this_thread();
  RobustHead& head_ = *self_.head;
  ForkWatch fork_;
  bool linked_ = false;
};

}  // namespace shmutex
