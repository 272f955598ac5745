// The head waiter: the two-level wait of plain locks.
//
// Only the head waiter, the holder of the baton (sync/wait_queue.h), ever sleeps on the lock word; all others sleep on
// the baton.
//
//   try      pending = L; while L is free: CAS e -> self + (e & (W, D)); finish the acquisition
//   queue    pending = B; B free: CAS -> self + W, link, pending = 0, go on as head; else sleep on B
//   head     pending = L; L free: CAS e -> self + (e & D), leave; else set W, sleep on L
//   leave    withdraw the yield request; finish the acquisition if acquired, else pending = 0; pending = B; unlink B;
//            B = 0; wake one on B, always, whether or not a waiter seems to sleep there; pending = 0
//   release  CAS self -> 0; with W set: L = 0 and the wake in one system call
//
// What each step protects from is told, and checked, in tests/model and docs/design/protocol.md.
#include "mutex/plain.h"

#include <errno.h>

#include "mutex/hold_note.h"
#include "mutex/ownership.h"
#include "os/cpu.h"
#include "os/futex.h"
#include "sync/owner_probe.h"
#include "sync/wait_queue.h"

namespace shmutex::plain {
namespace {

// Tuned on two cores against glibc's robust mutex (bench/contended): see docs/design/performance.md. A barger looks
// seldom, at growing distances: every look takes the cache line away from the owner. Gaps are counted in cpu_relax().
constexpr int spin_tries = 5;
constexpr int first_gap = 16;
constexpr int largest_gap = 64;
constexpr int head_spins = 20;
constexpr int64_t starvation_threshold = 300 * microsecond;  // of a head waiter that is passed over
constexpr int64_t yield_lifetime = 20 * millisecond;         // a stopped or killed head waiter blocks bargers no longer
// Longer than the head waiter's: a waiter that wakes by itself goes to the end of the kernel's queue, and loses its
// turn.
constexpr int64_t first_queue_slice = 200 * millisecond;

enum class Role : uint8_t { barger, head };

bool spinning_helps() { return usable_cpus() > 1; }

// Asked to leave the lock to the head waiter? An expired request is cleared away, so that fast paths are fast again.
bool must_yield(Lock& lock) {
  uint64_t expiry = load_relaxed(lock.shared.yield_until);
  if (likely(expiry == 0)) return false;
  const auto now = static_cast<uint64_t>(now_ns());
  if (expiry > now && expiry - now <= static_cast<uint64_t>(yield_lifetime)) return true;
  cas_relaxed(lock.shared.yield_until, expiry, uint64_t{0});
  return false;
}

class Waiter {
 public:
  Waiter(Lock& lock, const Deadline& deadline, WaitMode mode) : lock_(lock), deadline_(deadline), mode_(mode) {}

  int run() {
    int result = attempt();
    if (result != EBUSY || mode_ == WaitMode::try_once || fork_.is_child()) return explain(result);
    const WaitScope inside(lock_);
    result = wait();
    return explain(result);  // still inside: it reads the lock, which another thread may close afterwards
  }

 private:
  int explain(int result) { return fork_.is_child() ? forked_while_waiting : record_failure(lock_, result); }

  int attempt() {
    if (mode_ == WaitMode::try_once) return try_once();
    if (deadline_.passed(now_ns())) {
      const int result = try_once();
      return result == EBUSY ? ETIMEDOUT : result;
    }
    return spin();
  }

  int wait() {
    const int result = queue();
    if (fork_.is_child()) {
      refresh_thread();  // the scope ends in the child
      return result;
    }
    if (result == acquired || result == EOWNERDEAD) bump(lock_.shared.contended);
    return result;
  }

  SharedLine& shared() { return lock_.shared; }
  void pend_on_word() { robust::set_pending(head_, word_entry(lock_)); }
  void pend_on_nothing() { robust::clear_pending(head_); }

  // Takes the word if it is free. The word must be pending. Returns what it was through died.
  bool take_word(Role role, bool& died) {
    if (fork_.is_child()) return false;  // it must not write its parent's TID
    uint32_t found = load_relaxed(shared().word);
    while (word::is_free(found)) {
      const uint32_t taken =
          role == Role::head ? word::taken_by_head(found, self_.tid) : word::taken_by_barger(found, self_.tid);
      // Acquire: what the previous owner wrote inside is visible to us.
      if (cas_acquire(shared().word, found, taken)) {
        died = (found & word::owner_died) != 0;
        return true;
      }
    }
    return false;
  }

  // One try, as a barger.
  int try_word() {
    bool died = false;
    pend_on_word();
    if (take_word(Role::barger, died)) return finish_acquire(lock_, {died, died});
    pend_on_nothing();
    return EBUSY;
  }

  // A death that the kernel did not report is found by a thread that never waits, too.
  int try_once() {
    const int result = try_word();
    if (result != EBUSY || !short_call_may_probe(shared().probed, deadline_.ns())) return result;
    pend_on_word();
    if (mark_if_dead(shared().word)) return try_word();
    pend_on_nothing();
    return EBUSY;
  }

  int spin() {
    const int looks = spinning_helps() ? spin_tries : 1;
    int gap = first_gap;
    bool died = false;
    pend_on_word();
    for (int look = 1; !must_yield(lock_); ++look) {
      if (take_word(Role::barger, died)) return finish_acquire(lock_, {died, died});
      if (look >= looks) break;
      for (int i = 0; i < gap; ++i) cpu_relax();
      gap = gap * 2 < largest_gap ? gap * 2 : largest_gap;
    }
    pend_on_nothing();
    return EBUSY;
  }

  // A signal handler that runs between two sleeps of one wait goes unnoticed: so an interruptible wait has one sleep,
  // and says EINTR at its end.
  int64_t starting_slice(int64_t usual) const { return mode_ == WaitMode::wait_interruptible ? longest_slice : usual; }

  // Waits for the baton, and then as head waiter for the lock.
  int queue() {
    int64_t slice = starting_slice(first_queue_slice);
    ProbeTimer probe(now_ns());
    queue_.pend();
    for (;;) {
      const int result = queue_.wait(deadline_.earlier_of(now_ns() + slice));
      if (result == 0) return wait_as_head();
      if (result == EINTR && mode_ != WaitMode::wait_interruptible && !fork_.is_child()) continue;
      if (result != ETIMEDOUT) {
        pend_on_nothing();
        return result;
      }
      // A head waiter that is stopped must not keep us from a free lock.
      if (const int past = try_past_the_queue(probe); past != EBUSY) return past;
      if (mode_ == WaitMode::wait_interruptible) return EINTR;
      queue_.pend();
      slice = slice * 2 < longest_slice ? slice * 2 : longest_slice;
    }
  }

  // At the end of a short wait, too: callers with short time-outs would never find out.
  bool may_probe(ProbeTimer& probe, int64_t now) {
    const bool passed = deadline_.passed(now);
    return probe.due(now, passed) || (passed && short_call_may_probe(shared().probed, now));
  }

  // After a sleep on the baton ended by time: EBUSY: sleep on.
  int try_past_the_queue(ProbeTimer& probe) {
    const int64_t now = now_ns();
    if (may_probe(probe, now)) {
      queue_.free_of_the_dead();
      // From here to the try the word stays pending: should we die with it marked, the kernel wakes the head waiter.
      pend_on_word();
      mark_if_dead(shared().word);
    }
    const int result = try_word();
    return result == EBUSY && deadline_.passed(now) ? ETIMEDOUT : result;
  }

  int wait_as_head() {
    const int64_t since = now_ns();
    int64_t slice = starting_slice(first_slice);
    int spins = spinning_helps() ? head_spins : 0;
    ProbeTimer probe(since);
    bool interrupted = false;
    bool died = false;
    pend_on_word();
    for (;;) {
      if (take_word(Role::head, died)) return leave_with_lock(died);
      if (fork_.is_child()) return EINTR;
      if (spins > 0) {
        --spins;
        cpu_relax();
        continue;
      }
      const int64_t now = now_ns();
      const bool passed = deadline_.passed(now);
      if (may_probe(probe, now) && mark_if_dead(shared().word)) continue;
      if (passed) return leave(ETIMEDOUT);
      if (interrupted) return leave(EINTR);
      if (now - since > starvation_threshold)
        store_relaxed(shared().yield_until, static_cast<uint64_t>(now + yield_lifetime));
      uint32_t found = load_relaxed(shared().word);
      if (word::is_free(found)) continue;
      if ((found & word::waiters) == 0 && !cas_relaxed(shared().word, found, found | word::waiters)) continue;
      note_hold(lock_, now);
      const long woken = futex::wait(shared().word, found | word::waiters, deadline_.earlier_of(now + slice));
      spins = spinning_helps() ? head_spins : 0;
      if (woken == 0 || woken == -EAGAIN) continue;
      if (woken != -EINTR && woken != -ETIMEDOUT) return leave(static_cast<int>(-woken));
      interrupted = mode_ == WaitMode::wait_interruptible;
      slice = slice * 2 < longest_slice ? slice * 2 : longest_slice;
    }
  }

  int leave_with_lock(bool died) {
    withdraw_yield();
    const int result = finish_acquire(lock_, {died, died});
    queue_.pass_on();
    return result;
  }

  int leave(int error) {
    withdraw_yield();
    pend_on_nothing();
    queue_.pass_on();
    return error;
  }

  // Also one that a dead head waiter left.
  void withdraw_yield() {
    if (load_relaxed(shared().yield_until) != 0) store_relaxed(shared().yield_until, uint64_t{0});
  }

  Lock& lock_;
  const Deadline& deadline_;
  const WaitMode mode_;
  Thread& self_ = this_thread();
  RobustHead& head_ = *self_.head;
  const ForkWatch fork_;
  WaitQueue queue_{{lock_.shared.baton, lock_.priv.baton_node, lock_.priv.baton_linked}};
};

}  // namespace

int acquire(Lock& lock, const Deadline& deadline, WaitMode mode) { return Waiter(lock, deadline, mode).run(); }

int release(Lock& lock, uint32_t found) {
  const uint32_t self = this_thread().tid;
  while (word::tid(found) == self) {
    const uint32_t left = word::released(found);
    if (left != 0)
      store_relaxed(lock.shared.last_owner, uint64_t{0});  // the next owner hears of a death that is not ours
    if ((found & word::waiters) == 0) {
      if (cas_release(lock.shared.word, found, left)) return 0;
      continue;
    }
    release_fence();
    if (futex::release_and_wake_one(lock.shared.word, left != 0) >= 0) return 0;
    // Released, and yet refused to wake: the sleeper waits as on a fair lock. A peer's doing.
    // The kernel looks: a word that is released may be another thread's to close.
    const long looked = futex::wait(lock.shared.word, found, 0);
    if (looked == -EAGAIN || looked == -EFAULT) return EPERM;
    // A sandbox refuses FUTEX_WAKE_OP. In two steps, then: W stays, so that a barger in between wakes the head waiter
    // when it leaves, should we die before we did.
    store_release(lock.shared.word, left | word::waiters);
    const long woken = futex::wake_one(lock.shared.word);
    return woken < 0 && woken != -EFAULT ? static_cast<int>(-woken) : 0;  // EFAULT: closed since by another thread
  }
  return EPERM;
}

}  // namespace shmutex::plain
