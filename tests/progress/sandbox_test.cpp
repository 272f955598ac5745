// Processes that a sandbox keeps from some futex calls, alone and among others that it does not.
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>

#include "support/sandbox.h"
#include "support/test_lock.h"

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

namespace {

using support::all_kinds;
using support::Child;
using support::every_operation;
using support::expectations_status;
using support::Flag;
using support::Holder;
using support::info_of;
using support::Kind;
using support::LockTest;
using support::millisecond;
using support::param_name;
using support::pass_through;
using support::refuse_futex;
using support::Shared;

using Sandbox = LockTest;

// No EXPECT_… in there: libc itself aborts when it needs a futex call.
int wait_without_futexes(shmutex_t* m, int error) {
  refuse_futex(every_operation, error);
  // First with a limit, long as it is, so that a wait that would never end is a wrong result and not a hang.
  if (shmutex_timedlock(m, 3 * support::second) != error) return 201;
  if (shmutex_acquire(m, 3 * support::second, SHMUTEX_INTERRUPTIBLE) != error) return 202;
  if (shmutex_lock(m) != error) return 203;
  const int tried = shmutex_trylock(m);
  if (tried != EBUSY && tried != error) return 204;
  return shmutex_is_owned(m) == 0 ? 0 : 205;
}

int go_in_and_out_without_futexes(shmutex_t* m, int error) {
  refuse_futex(every_operation, error);
  for (int i = 0; i < 10; ++i) {
    if (shmutex_lock(m) != 0) return 206;
    if (shmutex_unlock(m) != 0) return 207;
  }
  return 0;
}

TEST_P(Sandbox, RefusingEveryFutexCallEndsTheWaitWithAnError) {
  for (const int error : {ENOSYS, EPERM}) {
    ASSERT_EQ(shmutex_lock(m()), 0);
    Child waiter([this, error] { return wait_without_futexes(m(), error); });
    EXPECT_EQ(waiter.wait(), 0) << strerrorname_np(error);
    ASSERT_EQ(shmutex_unlock(m()), 0);
    Child alone([this, error] { return go_in_and_out_without_futexes(m(), error); });
    EXPECT_EQ(alone.wait(), 0) << strerrorname_np(error);
    // Nobody's place in the queue is left behind.
    ASSERT_EQ(shmutex_lock(m()), 0);
    Child next([this] { return pass_through(m()); });
    next.wait_until_asleep();
    ASSERT_EQ(shmutex_unlock(m()), 0);
    EXPECT_EQ(next.wait(), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, Sandbox, testing::ValuesIn(all_kinds()), param_name);

class WithoutWakeOp : public LockTest {
 protected:
  static void refuse_wake_op() { refuse_futex(FUTEX_WAKE_OP, ENOSYS); }
};

TEST_P(WithoutWakeOp, HandsOver) {
  for (int i = 0; i < 20; ++i) {
    Shared<Flag> held;
    Shared<Flag> release;
    Child holder([&] {
      refuse_wake_op();
      EXPECT_EQ(shmutex_lock(m()), 0);
      held->raise();
      release->wait();
      EXPECT_EQ(shmutex_unlock(m()), 0);
      return expectations_status();
    });
    held->wait();
    std::vector<Child> waiters;
    for (int w = 0; w < 3; ++w) {
      waiters.emplace_back([this, w] {
        if (w % 2 == 0) refuse_wake_op();
        return pass_through(m());
      });
      waiters.back().wait_until_asleep();
    }
    release->raise();
    EXPECT_EQ(holder.wait(), 0);
    for (Child& waiter : waiters) EXPECT_EQ(waiter.wait(), 0);
    EXPECT_EQ(info_of(m()).state, static_cast<uint32_t>(SHMUTEX_STATE_FREE));
  }
}

TEST_P(WithoutWakeOp, HandsOnTheNewsOfADeath) {
  Holder first(m());
  std::vector<Child> waiters;
  for (int w = 0; w < 4; ++w) {
    waiters.emplace_back([this] {
      refuse_wake_op();
      const int result = shmutex_lock(m());
      const int unlocked = shmutex_unlock(m());
      return unlocked == 0 ? result : 1;
    });
    waiters.back().wait_until_asleep();
  }
  first.process().kill_and_wait();
  for (Child& waiter : waiters) EXPECT_EQ(waiter.wait(), EOWNERDEAD);
  EXPECT_EQ(pass_through(m()), EOWNERDEAD);
  EXPECT_EQ(pass_through(m()), 0);
}

TEST_P(WithoutWakeOp, MixedUnderLoad) {
  struct Load {
    std::atomic<int> arrived{0};
    volatile uint64_t count = 0;
  };
  Shared<Load> load;
  constexpr int workers = 4;
  constexpr int rounds = 50'000;
  std::vector<Child> children;
  for (int w = 0; w < workers; ++w) {
    children.emplace_back([&, w] {
      if (w % 2 == 0) refuse_wake_op();
      load->arrived.fetch_add(1);
      support::wait_until([&] { return load->arrived.load() == workers; });
      for (int i = 0; i < rounds; ++i) {
        if (shmutex_lock(m()) != 0) return 1;
        load->count = load->count + 1;
        if (shmutex_unlock(m()) != 0) return 2;
      }
      return 0;
    });
  }
  for (Child& child : children) EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(load->count, static_cast<uint64_t>(workers) * rounds);
}

TEST_P(WithoutWakeOp, MixedUnderLoadAndKills) {
  struct Load {
    std::atomic<uint64_t> rounds[4] = {};
  };
  Shared<Load> load;
  const auto start = [&](size_t slot) {
    return std::make_unique<Child>([&, slot] {
      if (slot % 2 == 0) refuse_wake_op();
      for (;;) {
        const int result = pass_through(m());
        if (result != 0 && result != EOWNERDEAD) return result;
        load->rounds[slot].fetch_add(1);
      }
    });
  };
  std::vector<std::unique_ptr<Child>> children;
  for (size_t slot = 0; slot < 4; ++slot) children.push_back(start(slot));
  for (size_t i = 0; i < 40; ++i) {
    EXPECT_EQ(children[i % 4]->kill_and_wait(), 1000 + SIGKILL);
    children[i % 4] = start(i % 4);
    for (std::atomic<uint64_t>& rounds : load->rounds) {
      const uint64_t before = rounds.load();
      support::wait_until([&] { return rounds.load() > before; });
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, WithoutWakeOp, testing::ValuesIn(support::unfair_kinds()), param_name);

// As on kernels before 5.14.
class WithoutLockPi2 : public LockTest {};

TEST_P(WithoutLockPi2, TimeoutsStillWork) {
  ASSERT_EQ(shmutex_lock(m()), 0);
  Child child([this] {
    refuse_futex(FUTEX_LOCK_PI2, ENOSYS);
    for (const int64_t limit : {millisecond, 50 * millisecond, 130 * millisecond}) {
      const int64_t start = support::now_ns();
      EXPECT_EQ(shmutex_timedlock(m(), limit), ETIMEDOUT);
      EXPECT_GE(support::now_ns() - start, limit);
    }
    EXPECT_EQ(shmutex_acquire(m(), -1, SHMUTEX_INTERRUPTIBLE), EINTR);
    return expectations_status();
  });
  EXPECT_EQ(child.wait(), 0);
  // CLOCK_REALTIME, the only clock that is left, ends in the year 2262: some 7.4e18 ns from now.
  constexpr int64_t century = int64_t{100} * 365 * 86400 * support::second;
  for (const int64_t limit : {int64_t{-1}, 100 * support::second, INT64_MAX, INT64_MAX - 1, INT64_MAX - century,
                              INT64_MAX - century / 2, INT64_MAX / 2}) {
    Child waiter([this, limit] {
      refuse_futex(FUTEX_LOCK_PI2, ENOSYS);
      const int result = shmutex_timedlock(m(), limit);
      return result == 0 ? shmutex_unlock(m()) : result;
    });
    waiter.wait_until_asleep();
    support::wait_until_sleeping_on(waiter.pid());
    ASSERT_EQ(shmutex_unlock(m()), 0);
    EXPECT_EQ(waiter.wait(), 0);
    ASSERT_EQ(shmutex_lock(m()), 0);
  }
  ASSERT_EQ(shmutex_unlock(m()), 0);
}

TEST_P(WithoutLockPi2, DeathIsTold) {
  Holder holder(m());
  Child waiter([this] {
    refuse_futex(FUTEX_LOCK_PI2, ENOSYS);
    const int result = shmutex_timedlock(m(), 100 * support::second);
    return shmutex_consistent(m()) == 0 && shmutex_unlock(m()) == 0 ? result : 1;
  });
  waiter.wait_until_asleep();
  holder.process().kill_and_wait();
  EXPECT_EQ(waiter.wait(), EOWNERDEAD);
}

INSTANTIATE_TEST_SUITE_P(Kinds, WithoutLockPi2, testing::ValuesIn(support::in_both_places({support::fair})),
                         param_name);

}  // namespace
