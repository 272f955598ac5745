// Waiters that are stopped (SIGSTOP, a debugger, a frozen container) wherever it hurts: the others go on. A stopped
// waiter of a fair lock may be its next owner, and then all wait for it: fair locks are only asked not to break.
#include <errno.h>
#include <signal.h>

#include "support/test_lock.h"
#include "support/tracee.h"

namespace {

using support::Child;
using support::expectations_status;
using support::Holder;
using support::info_of;
using support::Kind;
using support::LockTest;
using support::param_name;
using support::pass_through;
using support::Shared;
using support::Tracee;
using support::wait_until_stopped;

class Stopped : public LockTest {
 protected:
  Child start_waiter() const {
    Child waiter([this] { return pass_through(m()); });
    waiter.wait_until_asleep();
    return waiter;
  }
  static void stop(const Child& child) {
    child.signal(SIGSTOP);
    wait_until_stopped(child.pid());
  }
  // A barger acquires and releases often, and ends.
  void expect_bargers_pass() const {
    Child barger([this] {
      for (int i = 0; i < 100; ++i) EXPECT_EQ(shmutex_lock(m()) == 0 ? shmutex_unlock(m()) : 1, 0);
      return expectations_status();
    });
    EXPECT_EQ(barger.wait(), 0);
  }
};

// Each combination of three waiters stopped, the owner then letting go or dying.
TEST_P(Stopped, WaitersAtAnyPlace) {
  constexpr size_t waiters = 3;
  for (unsigned stopped = 1; stopped < 1u << waiters; ++stopped) {
    for (const bool dies : {false, true}) {
      Holder holder(m());
      std::vector<Child> children;
      for (size_t i = 0; i < waiters; ++i) children.push_back(start_waiter());
      for (size_t i = 0; i < waiters; ++i) {
        if ((stopped >> i & 1) != 0) stop(children[i]);
      }
      if (dies) {
        holder.process().kill_and_wait();
      } else {
        EXPECT_EQ(holder.finish(), 0);
      }
      int told = 0;
      const auto collect = [&](Child& child) {
        const int result = child.wait();
        EXPECT_TRUE(result == 0 || result == EOWNERDEAD) << result;
        if (result == EOWNERDEAD) ++told;
      };
      for (size_t i = 0; i < waiters; ++i) {
        if ((stopped >> i & 1) == 0) collect(children[i]);
      }
      if (pass_through(m()) == EOWNERDEAD) ++told;
      expect_bargers_pass();
      for (size_t i = 0; i < waiters; ++i) {
        if ((stopped >> i & 1) == 0) continue;
        children[i].signal(SIGCONT);
        collect(children[i]);
      }
      EXPECT_EQ(told, dies ? 1 : 0);
    }
  }
}

// A waiter that is stopped when it has queued and is just about to sleep; as head and as second in line.
TEST_P(Stopped, WaiterAboutToSleep) {
  for (const bool second : {false, true}) {
    ASSERT_EQ(shmutex_lock(m()), 0);
    std::vector<Child> children;
    if (second) children.push_back(start_waiter());
    Tracee waiter([this] { return pass_through(m()); });
    waiter.run_until_about_to_sleep();
    children.push_back(start_waiter());
    children.push_back(start_waiter());
    ASSERT_EQ(shmutex_unlock(m()), 0);
    for (Child& child : children) EXPECT_EQ(child.wait(), 0);
    expect_bargers_pass();
    EXPECT_EQ(waiter.detach_and_wait(), 0);
  }
}

// Woken, and stopped before it could do anything about it.
TEST_P(Stopped, WokenHead) {
  ASSERT_EQ(shmutex_lock(m()), 0);
  Tracee head([this] { return pass_through(m()); });
  head.run_until_asleep();
  Child second = start_waiter();
  Child third = start_waiter();
  ASSERT_EQ(shmutex_unlock(m()), 0);
  head.wait_for_end_of_sleep();
  EXPECT_EQ(second.wait(), 0);
  EXPECT_EQ(third.wait(), 0);
  expect_bargers_pass();
  EXPECT_EQ(head.detach_and_wait(), 0);
}

// A head waiter that was passed over asks bargers to stand back. Then it is stopped, or dies: the request must lapse.
TEST_P(Stopped, HeadThatHasAskedForTheLock) {
  for (int round = 0; round < 12; ++round) {
    ASSERT_EQ(shmutex_lock(m()), 0);
    Child head([this] { return pass_through(m()); });
    head.wait_until_asleep();
    // Passes it over for longer than starvation_threshold: lets go and takes the lock at once, again and again.
    bool head_got_it = false;
    const int64_t end = support::now_ns() + (2 + round) * support::millisecond;
    while (!head_got_it && support::now_ns() < end) {
      ASSERT_EQ(shmutex_unlock(m()), 0);
      head_got_it = shmutex_trylock(m()) != 0;
    }
    if (head_got_it) {
      EXPECT_EQ(head.wait(), 0);
      expect_bargers_pass();
      continue;
    }
    if (round % 2 == 0) {
      stop(head);
    } else {
      head.kill_and_wait();
    }
    ASSERT_EQ(shmutex_unlock(m()), 0);
    expect_bargers_pass();
    EXPECT_EQ(pass_through(m()), 0);
    if (round % 2 == 0) {
      head.signal(SIGCONT);
      EXPECT_EQ(head.wait(), 0);
    }
  }
}

// Under load, one after the other is stopped for a while. An owner that is stopped holds all others up, rightly;
// otherwise the others must go on meanwhile.
TEST_P(Stopped, UnderLoad) {
  struct Load {
    std::atomic<uint64_t> rounds{0};
  };
  Shared<Load> loads[3];
  std::vector<Child> children;
  for (Shared<Load>& load : loads) {
    children.emplace_back([&] {
      for (;;) {
        if (const int error = shmutex_lock(m()); error != 0) return error;
        if (const int error = shmutex_unlock(m()); error != 0) return error;
        load->rounds.fetch_add(1);
      }
    });
  }
  for (size_t i = 0; i < 30; ++i) {
    const size_t victim = i % 3;
    stop(children[victim]);
    if (info_of(m()).owner_pid != children[victim].pid()) {
      for (size_t other = 0; other < 3; ++other) {
        if (other == victim) continue;
        const uint64_t before = loads[other]->rounds.load();
        support::wait_until([&] {
          // It may own the lock all the same: info is a snapshot, and the owner's name is written after the lock is
          // taken.
          return loads[other]->rounds.load() > before + 10 || info_of(m()).owner_tid == children[victim].pid();
        });
      }
    }
    children[victim].signal(SIGCONT);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, Stopped, testing::ValuesIn(support::unfair_kinds()), param_name);

class StoppedFair : public LockTest {};

// Stopped in the queue, it is still handed the lock in its turn; continued, it passes it on.
TEST_P(StoppedFair, WaiterKeepsItsTurn) {
  ASSERT_EQ(shmutex_lock(m()), 0);
  Child head([this] { return pass_through(m()); });
  head.wait_until_asleep();
  Child second([this] { return pass_through(m()); });
  second.wait_until_asleep();
  head.signal(SIGSTOP);
  wait_until_stopped(head.pid());
  ASSERT_EQ(shmutex_unlock(m()), 0);
  head.signal(SIGCONT);
  EXPECT_EQ(head.wait(), 0);
  EXPECT_EQ(second.wait(), 0);
  EXPECT_EQ(pass_through(m()), 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, StoppedFair, testing::ValuesIn(support::in_both_places({support::fair})), param_name);

}  // namespace
