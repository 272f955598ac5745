// After a death: consistent, no consistent, death again, poison; and what info says all along.
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include <thread>

#include "support/test_lock.h"

namespace {

using support::all_kinds;
using support::Child;
using support::expectations_status;
using support::Flag;
using support::Holder;
using support::info_of;
using support::LockTest;
using support::param_name;
using support::pass_through;
using support::Shared;
using support::TestLock;

class Recovery : public LockTest {
 protected:
  uint32_t state() const { return info_of(m()).state; }

  void die_inside() const {
    Child owner([this] {
      const int result = shmutex_lock(m());
      return result == 0 || result == EOWNERDEAD ? 0 : result;
    });
    EXPECT_EQ(owner.wait(), 0);
  }

  static constexpr uint32_t free = SHMUTEX_STATE_FREE;
  static constexpr uint32_t held = SHMUTEX_STATE_HELD;
  static constexpr uint32_t owner_died = SHMUTEX_STATE_OWNER_DIED;
  static constexpr uint32_t poisoned = SHMUTEX_STATE_POISONED;
};

TEST_P(Recovery, DeathAgainBeforeConsistentIsNewsAgain) {
  for (int i = 0; i < 4; ++i) {
    die_inside();
    EXPECT_EQ(state(), owner_died);
  }
  EXPECT_EQ(shmutex_lock(m()), EOWNERDEAD);
  EXPECT_EQ(shmutex_consistent(m()), 0);
  EXPECT_EQ(shmutex_unlock(m()), 0);
  EXPECT_EQ(shmutex_lock(m()), 0);
  EXPECT_EQ(shmutex_unlock(m()), 0);
}

TEST_P(Recovery, DeathAgainAfterConsistentIsNewsAgain) {
  die_inside();
  Child second([this] {
    EXPECT_EQ(shmutex_lock(m()), EOWNERDEAD);
    EXPECT_EQ(shmutex_consistent(m()), 0);
    return expectations_status();
  });
  const pid_t dead = second.pid();
  EXPECT_EQ(second.wait(), 0);
  EXPECT_EQ(shmutex_lock(m()), EOWNERDEAD);
  EXPECT_EQ(info_of(m()).last_dead_tid, dead);
  EXPECT_EQ(info_of(m()).recoveries, 1u);
  EXPECT_EQ(shmutex_consistent(m()), 0);
  EXPECT_EQ(info_of(m()).recoveries, 2u);
  EXPECT_EQ(shmutex_unlock(m()), 0);
}

TEST_P(Recovery, UnlockWithoutConsistentHandsTheNewsOn) {
  Holder first(m());
  const pid_t dead = first.pid();
  first.process().kill_and_wait();
  for (int i = 0; i < 3; ++i) {
    Child next([this] {
      EXPECT_EQ(shmutex_lock(m()), EOWNERDEAD);
      EXPECT_EQ(shmutex_unlock(m()), 0);
      return expectations_status();
    });
    EXPECT_EQ(next.wait(), 0);
    EXPECT_EQ(state(), owner_died);
    EXPECT_EQ(info_of(m()).last_dead_tid, dead);  // the one that gave up without repairing it did not die
  }
  EXPECT_EQ(info_of(m()).recoveries, 0u);
  EXPECT_EQ(shmutex_trylock(m()), EOWNERDEAD);
  EXPECT_EQ(shmutex_consistent(m()), 0);
  EXPECT_EQ(shmutex_consistent(m()), EINVAL);
  EXPECT_EQ(shmutex_unlock(m()), 0);
  EXPECT_EQ(state(), free);
}

// Under waiters too: all of them in turn, until one repairs it.
TEST_P(Recovery, NewsGoesFromWaiterToWaiterUntilRepaired) {
  Holder first(m());
  Shared<std::atomic<int>> told;
  std::vector<Child> children;
  for (int i = 0; i < 5; ++i) {
    children.emplace_back([&] {
      const int result = shmutex_lock(m());
      if (result == EOWNERDEAD && told->fetch_add(1) == 2) {
        EXPECT_EQ(shmutex_consistent(m()), 0);
      }
      EXPECT_EQ(shmutex_unlock(m()), 0);
      return testing::Test::HasFailure() ? 1 : result;
    });
    children.back().wait_until_asleep();
  }
  first.process().kill_and_wait();
  int clean = 0;
  for (Child& child : children) {
    if (child.wait() == 0) ++clean;
  }
  EXPECT_EQ(told->load(), 3);
  EXPECT_EQ(clean, 2);
  EXPECT_EQ(state(), free);
}

// Each waiter dies with the lock in turn.
TEST_P(Recovery, WaitersDieOneAfterTheOther) {
  Holder first(m());
  std::vector<Child> children;
  for (int i = 0; i < 4; ++i) {
    children.emplace_back([&, i] {
      const int result = shmutex_lock(m());
      if (result == EOWNERDEAD && i % 2 == 0) shmutex_consistent(m());
      return result;
    });
    children.back().wait_until_asleep();
  }
  first.process().signal(SIGKILL);
  for (Child& child : children) EXPECT_EQ(child.wait(), EOWNERDEAD);
  EXPECT_EQ(shmutex_trylock(m()), EOWNERDEAD);
  EXPECT_EQ(shmutex_consistent(m()), 0);
  EXPECT_EQ(shmutex_unlock(m()), 0);
}

TEST_P(Recovery, RecursiveOwnerTellsOnceAndRepairsAtAnyDepth) {
  if (!kind().recursive()) return;
  Holder first(m(), 4);
  first.process().kill_and_wait();
  EXPECT_EQ(shmutex_lock(m()), EOWNERDEAD);
  EXPECT_EQ(shmutex_lock(m()), 0);
  EXPECT_EQ(shmutex_lock(m()), 0);
  EXPECT_EQ(shmutex_unlock(m()), 0);
  EXPECT_EQ(state(), held);
  EXPECT_EQ(shmutex_consistent(m()), 0);
  EXPECT_EQ(shmutex_unlock(m()), 0);
  EXPECT_EQ(shmutex_unlock(m()), 0);
  EXPECT_EQ(shmutex_unlock(m()), EPERM);
  EXPECT_EQ(shmutex_lock(m()), 0);
  EXPECT_EQ(shmutex_unlock(m()), 0);
}

TEST_P(Recovery, ConsistentIsOnlyForOwnersOfSomethingInconsistent) {
  EXPECT_EQ(shmutex_consistent(m()), EPERM);
  EXPECT_EQ(shmutex_lock(m()), 0);
  EXPECT_EQ(shmutex_consistent(m()), EINVAL);
  EXPECT_EQ(shmutex_unlock(m()), 0);
  die_inside();
  EXPECT_EQ(shmutex_consistent(m()), EPERM);
  EXPECT_EQ(state(), owner_died);
  EXPECT_EQ(shmutex_lock(m()), EOWNERDEAD);
  std::thread([this] {
    EXPECT_EQ(shmutex_consistent(m()), EPERM);
    EXPECT_EQ(shmutex_poison(m()), EPERM);
  }).join();
  EXPECT_EQ(shmutex_consistent(m()), 0);
  EXPECT_EQ(shmutex_unlock(m()), 0);
}

void expect_not_recoverable(shmutex_t* m) {
  EXPECT_EQ(shmutex_lock(m), ENOTRECOVERABLE);
  EXPECT_EQ(shmutex_trylock(m), ENOTRECOVERABLE);
  EXPECT_EQ(shmutex_timedlock(m, 0), ENOTRECOVERABLE);
  EXPECT_EQ(shmutex_timedlock(m, support::second), ENOTRECOVERABLE);
  EXPECT_EQ(shmutex_acquire(m, -1, SHMUTEX_INTERRUPTIBLE), ENOTRECOVERABLE);
  EXPECT_EQ(shmutex_is_owned(m), 0);
  EXPECT_EQ(shmutex_unlock(m), EPERM);
}

TEST_P(Recovery, PoisonIsForEveryoneForEver) {
  EXPECT_EQ(shmutex_poison(m()), EPERM);
  die_inside();
  EXPECT_EQ(shmutex_lock(m()), EOWNERDEAD);
  EXPECT_EQ(shmutex_poison(m()), 0);
  EXPECT_EQ(shmutex_poison(m()), 0);
  EXPECT_EQ(shmutex_consistent(m()), ENOTRECOVERABLE);
  EXPECT_EQ(state(), poisoned);
  EXPECT_EQ(shmutex_is_owned(m()), 1);
  EXPECT_EQ(shmutex_unlock(m()), 0);
  expect_not_recoverable(m());
  Child other([this] {
    expect_not_recoverable(m());
    return expectations_status();
  });
  EXPECT_EQ(other.wait(), 0);
  shmutex_t* const again = lock_.open();
  expect_not_recoverable(again);
  EXPECT_EQ(shmutex_close(again), 0);
  EXPECT_EQ(state(), poisoned);
}

TEST_P(Recovery, PoisonOfAHealthyLock) {
  EXPECT_EQ(shmutex_lock(m()), 0);
  EXPECT_EQ(shmutex_poison(m()), 0);
  EXPECT_EQ(shmutex_unlock(m()), 0);
  expect_not_recoverable(m());
}

TEST_P(Recovery, PoisonerDies) {
  Child poisoner([this] {
    EXPECT_EQ(shmutex_lock(m()), 0);
    EXPECT_EQ(shmutex_poison(m()), 0);
    return expectations_status();
  });
  EXPECT_EQ(poisoner.wait(), 0);
  expect_not_recoverable(m());
}

TEST_P(Recovery, PoisonReachesWaitersAsleep) {
  for (const bool after_death : {false, true}) {
    TestLock lock(kind());
    if (after_death) Holder(lock.get()).process().kill_and_wait();
    EXPECT_EQ(shmutex_lock(lock.get()), after_death ? EOWNERDEAD : 0);
    std::vector<Child> children;
    for (int i = 0; i < 5; ++i) {
      children.emplace_back([&] { return shmutex_lock(lock.get()); });
      children.back().wait_until_asleep();
    }
    EXPECT_EQ(shmutex_poison(lock.get()), 0);
    EXPECT_EQ(shmutex_unlock(lock.get()), 0);
    for (Child& child : children) EXPECT_EQ(child.wait(), ENOTRECOVERABLE);
  }
}

TEST_P(Recovery, InfoThroughALife) {
  shmutex_info_t info = info_of(m());
  const uint64_t token = info.token;
  EXPECT_EQ(info.state, free);
  EXPECT_EQ(info.attributes, kind().attributes);
  EXPECT_EQ(info.owner_tid, 0);
  EXPECT_EQ(info.owner_pid, 0);
  EXPECT_EQ(info.depth, 0u);
  EXPECT_EQ(info.waiters, 0u);
  EXPECT_EQ(info.last_dead_tid, 0);
  EXPECT_EQ(info.contended, 0u);
  EXPECT_EQ(info.recoveries, 0u);
  EXPECT_EQ(info.same_boot, 1u);
  EXPECT_EQ(info.same_pid_namespace, 1u);
  EXPECT_EQ(info.links, 1u);

  Flag held_by_thread;
  Flag done;
  std::atomic<pid_t> tid{0};
  std::thread thread([&] {
    EXPECT_EQ(shmutex_lock(m()), 0);
    tid.store(gettid());
    held_by_thread.raise();
    done.wait();
    EXPECT_EQ(shmutex_unlock(m()), 0);
  });
  held_by_thread.wait();
  info = info_of(m());
  EXPECT_EQ(info.state, held);
  EXPECT_EQ(info.owner_tid, tid.load());
  EXPECT_EQ(info.owner_pid, getpid());
  EXPECT_EQ(info.depth, 1u);
  EXPECT_EQ(info.waiters, 0u);
  EXPECT_EQ(info.token, token + 1);
  Child waiter([this] { return pass_through(m()); });
  waiter.wait_until_asleep();
  EXPECT_EQ(info_of(m()).waiters, 1u);
  EXPECT_EQ(info_of(m()).contended, 0u);
  done.raise();
  thread.join();
  EXPECT_EQ(waiter.wait(), 0);
  info = info_of(m());
  EXPECT_EQ(info.state, free);
  EXPECT_EQ(info.owner_tid, 0);
  EXPECT_EQ(info.waiters, 0u);
  EXPECT_EQ(info.contended, 1u);
  EXPECT_EQ(info.token, token + 2);
  EXPECT_EQ(shmutex_token(m()), token + 2);
}

TEST_P(Recovery, EveryAcquisitionAddsOneToTheToken) {
  uint64_t token = shmutex_token(m());
  const auto expect_one_more = [&](int result, int expected) {
    EXPECT_EQ(result, expected);
    EXPECT_EQ(shmutex_token(m()), ++token);
    EXPECT_EQ(shmutex_unlock(m()), 0);
    EXPECT_EQ(shmutex_token(m()), token);
  };
  expect_one_more(shmutex_lock(m()), 0);
  expect_one_more(shmutex_trylock(m()), 0);
  expect_one_more(shmutex_timedlock(m(), 0), 0);
  expect_one_more(shmutex_acquire(m(), -1, SHMUTEX_INTERRUPTIBLE), 0);
  die_inside();
  ++token;
  expect_one_more(shmutex_lock(m()), EOWNERDEAD);
  expect_one_more(shmutex_trylock(m()), EOWNERDEAD);
  EXPECT_EQ(pass_through(m()), EOWNERDEAD);
  Holder holder(m());
  token += 2;
  EXPECT_EQ(shmutex_trylock(m()), EBUSY);
  EXPECT_EQ(shmutex_timedlock(m(), support::millisecond), ETIMEDOUT);
  EXPECT_EQ(shmutex_token(m()), token);
  holder.process().kill_and_wait();
  EXPECT_EQ(shmutex_lock(m()), EOWNERDEAD);
  EXPECT_EQ(shmutex_token(m()), ++token);
  if (kind().recursive()) {
    EXPECT_EQ(shmutex_lock(m()), 0);
    EXPECT_EQ(shmutex_token(m()), token);
    EXPECT_EQ(shmutex_unlock(m()), 0);
  }
  EXPECT_EQ(shmutex_unlock(m()), 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Recovery, testing::ValuesIn(all_kinds()), param_name);

}  // namespace
