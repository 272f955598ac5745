// Time limits: never early, none at all when negative, one try when 0; and the lock is not left held.
#include <errno.h>

#include <thread>

#include "support/test_lock.h"

namespace {

using support::all_kinds;
using support::Child;
using support::Holder;
using support::info_of;
using support::LockTest;
using support::millisecond;
using support::now_ns;
using support::param_name;
using support::pass_through;

using Timeout = LockTest;

TEST_P(Timeout, WaitDoesNotEndEarly) {
  Holder holder(m());
  // Below, at and beyond the length of one sleep inside.
  for (const int64_t limit :
       {int64_t{1}, millisecond / 10, millisecond, 30 * millisecond, 120 * millisecond, 260 * millisecond}) {
    int64_t start = now_ns();
    EXPECT_EQ(shmutex_timedlock(m(), limit), ETIMEDOUT);
    EXPECT_GE(now_ns() - start, limit);
    start = now_ns();
    EXPECT_EQ(shmutex_acquire(m(), limit, 0), ETIMEDOUT);
    EXPECT_GE(now_ns() - start, limit);
    EXPECT_EQ(shmutex_is_owned(m()), 0);
  }
  EXPECT_EQ(holder.finish(), 0);
  EXPECT_EQ(shmutex_trylock(m()), 0);
  EXPECT_EQ(shmutex_unlock(m()), 0);
}

TEST_P(Timeout, SecondInLineTimesOutToo) {
  Holder holder(m());
  Child head([this] { return pass_through(m()); });
  head.wait_until_asleep();
  const int64_t start = now_ns();
  EXPECT_EQ(shmutex_timedlock(m(), 80 * millisecond), ETIMEDOUT);
  EXPECT_GE(now_ns() - start, 80 * millisecond);
  EXPECT_EQ(holder.finish(), 0);
  EXPECT_EQ(head.wait(), 0);
}

TEST_P(Timeout, OfTheHeadWaiterHandsItsPlaceOn) {
  Holder holder(m());
  Child head([this] { return shmutex_timedlock(m(), 200 * millisecond); });
  head.wait_until_asleep();
  Child next([this] { return pass_through(m()); });
  next.wait_until_asleep();
  EXPECT_EQ(head.wait(), ETIMEDOUT);
  EXPECT_EQ(info_of(m()).waiters, 1u);
  EXPECT_EQ(holder.finish(), 0);
  EXPECT_EQ(next.wait(), 0);
}

TEST_P(Timeout, ZeroIsOneTry) {
  EXPECT_EQ(shmutex_timedlock(m(), 0), 0);
  EXPECT_EQ(shmutex_unlock(m()), 0);
  EXPECT_EQ(shmutex_acquire(m(), 0, SHMUTEX_INTERRUPTIBLE), 0);
  EXPECT_EQ(shmutex_unlock(m()), 0);
  Holder holder(m());
  EXPECT_EQ(shmutex_timedlock(m(), 0), ETIMEDOUT);
  const int interruptible = shmutex_acquire(m(), 0, SHMUTEX_INTERRUPTIBLE);
  EXPECT_EQ(interruptible, ETIMEDOUT);
  EXPECT_EQ(holder.finish(), 0);
}

TEST_P(Timeout, AFreeLockIsAcquiredWhateverTheTimeout) {
  for (const int64_t limit : {int64_t{0}, int64_t{1}, int64_t{-1}, INT64_MIN, INT64_MAX, INT64_MAX - 1}) {
    EXPECT_EQ(shmutex_timedlock(m(), limit), 0);
    EXPECT_EQ(shmutex_unlock(m()), 0);
  }
}

TEST_P(Timeout, LongOnesDoNotOverflowAndNegativeOnesNeverEnd) {
  for (const int64_t limit : {int64_t{-1}, INT64_MIN, INT64_MAX, INT64_MAX - 1, INT64_MAX / 2}) {
    Holder holder(m());
    Child waiter([this, limit] {
      const int result = shmutex_timedlock(m(), limit);
      return result == 0 ? shmutex_unlock(m()) : result;
    });
    Child interruptible([this, limit] {
      int result = EINTR;  // fair: the end of a slice
      while (result == EINTR) result = shmutex_acquire(m(), limit, SHMUTEX_INTERRUPTIBLE);
      return result == 0 ? shmutex_unlock(m()) : result;
    });
    waiter.wait_until_asleep();
    interruptible.wait_until_asleep();
    EXPECT_EQ(holder.finish(), 0);
    EXPECT_EQ(waiter.wait(), 0);
    EXPECT_EQ(interruptible.wait(), 0);
  }
}

TEST_P(Timeout, ManyWaitersAtOnce) {
  Holder holder(m());
  std::vector<std::thread> threads;
  for (int i = 0; i < 12; ++i) {
    threads.emplace_back([this, i] {
      const int64_t limit = (5 + 7 * i) * millisecond;
      const int64_t start = now_ns();
      EXPECT_EQ(shmutex_timedlock(m(), limit), ETIMEDOUT);
      EXPECT_GE(now_ns() - start, limit);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(holder.finish(), 0);
  EXPECT_EQ(shmutex_trylock(m()), 0);
  EXPECT_EQ(shmutex_unlock(m()), 0);
}

// Limits so short that hand-over and time-out meet: the one that is told "held" holds it, and no other.
TEST_P(Timeout, RacingWithTheHandOver) {
  std::atomic<int> inside{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, i, &inside] {
      for (int round = 0; round < 1000; ++round) {
        const int result = shmutex_timedlock(m(), (round % 50) * 2'000 + i);
        ASSERT_TRUE(result == 0 || result == ETIMEDOUT) << result;
        EXPECT_EQ(shmutex_is_owned(m()), result == 0 ? 1 : 0);
        if (result != 0) continue;
        EXPECT_EQ(inside.fetch_add(1), 0);
        if (round % 16 == 0) support::sleep_ms(0);
        inside.fetch_sub(1);
        EXPECT_EQ(shmutex_unlock(m()), 0);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(info_of(m()).state, static_cast<uint32_t>(SHMUTEX_STATE_FREE));
}

INSTANTIATE_TEST_SUITE_P(Kinds, Timeout, testing::ValuesIn(all_kinds()), param_name);

}  // namespace
