// What fair locks alone promise: order, deadlock detection; and an owner in the word that the kernel cannot queue
// behind.
#include <errno.h>
#include <unistd.h>

#include "support/test_lock.h"

namespace {

using support::all_kinds;
using support::Child;
using support::expectations_status;
using support::Flag;
using support::Holder;
using support::info_of;
using support::Kind;
using support::LockTest;
using support::millisecond;
using support::param_name;
using support::pass_through;
using support::Shared;
using support::TestLock;

using Fair = LockTest;

TEST_P(Fair, HandsOverInOrderOfArrival) {
  constexpr int waiters = 8;
  struct Order {
    std::atomic<int> next{0};
    std::atomic<int> place[waiters] = {};
  };
  for (const bool killed_in_between : {false, true}) {
    Shared<Order> order;
    ASSERT_EQ(shmutex_lock(m()), 0);
    std::vector<Child> children;
    for (int i = 0; i < waiters; ++i) {
      children.emplace_back([&, i] {
        if (const int error = shmutex_lock(m()); error != 0) return error;
        order->place[i].store(order->next.fetch_add(1));
        return shmutex_unlock(m());
      });
      children.back().wait_until_asleep();
    }
    const int victim = killed_in_between ? 3 : waiters;
    if (killed_in_between) children[3].kill_and_wait();
    ASSERT_EQ(shmutex_unlock(m()), 0);
    for (int i = 0; i < waiters; ++i) {
      if (i == victim) continue;
      EXPECT_EQ(children[static_cast<size_t>(i)].wait(), 0);
      EXPECT_EQ(order->place[i].load(), i < victim ? i : i - 1);
    }
  }
}

// An owner that releases with others queued and comes again at once does not overtake them.
TEST_P(Fair, BargersDoNotOvertake) {
  ASSERT_EQ(shmutex_lock(m()), 0);
  Shared<Flag> had_it;
  Child waiter([&] {
    EXPECT_EQ(shmutex_lock(m()), 0);
    had_it->raise();
    EXPECT_EQ(shmutex_unlock(m()), 0);
    return expectations_status();
  });
  waiter.wait_until_asleep();
  ASSERT_EQ(shmutex_unlock(m()), 0);
  ASSERT_EQ(shmutex_lock(m()), 0);
  EXPECT_TRUE(had_it->raised());
  ASSERT_EQ(shmutex_unlock(m()), 0);
  EXPECT_EQ(waiter.wait(), 0);
}

TEST_P(Fair, CrossedWaitsOfTwoProcesses) {
  TestLock other(kind());
  for (const int64_t limit : {int64_t{-1}, 100 * support::second}) {
    ASSERT_EQ(shmutex_lock(m()), 0);
    Shared<Flag> held;
    Child peer([&] {
      EXPECT_EQ(shmutex_lock(other.get()), 0);
      held->raise();
      EXPECT_EQ(shmutex_timedlock(m(), limit), 0);
      EXPECT_EQ(shmutex_unlock(m()), 0);
      EXPECT_EQ(shmutex_unlock(other.get()), 0);
      return expectations_status();
    });
    held->wait();
    support::wait_until([&] { return info_of(m()).waiters == 1; });
    EXPECT_EQ(shmutex_timedlock(other.get(), limit), EDEADLK);
    EXPECT_EQ(shmutex_is_owned(other.get()), 0);
    EXPECT_EQ(shmutex_is_owned(m()), 1);
    ASSERT_EQ(shmutex_unlock(m()), 0);
    EXPECT_EQ(peer.wait(), 0);
    EXPECT_EQ(pass_through(other.get()), 0);
  }
}

TEST_P(Fair, CycleOfThreeProcesses) {
  TestLock second(kind());
  TestLock third(kind());
  ASSERT_EQ(shmutex_lock(m()), 0);
  const auto hold_and_want = [](const TestLock& mine, shmutex_t* wanted, Flag& held) {
    EXPECT_EQ(shmutex_lock(mine.get()), 0);
    held.raise();
    EXPECT_EQ(pass_through(wanted), 0);
    EXPECT_EQ(shmutex_unlock(mine.get()), 0);
    return expectations_status();
  };
  Shared<Flag> second_held;
  Shared<Flag> third_held;
  Child b([&] { return hold_and_want(second, m(), *second_held); });
  second_held->wait();
  Child c([&] { return hold_and_want(third, second.get(), *third_held); });
  third_held->wait();
  support::wait_until([&] { return info_of(m()).waiters == 1 && info_of(second.get()).waiters == 1; });
  EXPECT_EQ(shmutex_lock(third.get()), EDEADLK);
  ASSERT_EQ(shmutex_unlock(m()), 0);
  EXPECT_EQ(b.wait(), 0);
  EXPECT_EQ(c.wait(), 0);
}

TEST_P(Fair, InterruptibleWaitsComeBackInSlices) {
  Holder holder(m());
  const int64_t start = support::now_ns();
  EXPECT_EQ(shmutex_acquire(m(), -1, SHMUTEX_INTERRUPTIBLE), EINTR);
  EXPECT_GE(support::now_ns() - start, 100 * millisecond);
  EXPECT_EQ(shmutex_acquire(m(), 30 * millisecond, SHMUTEX_INTERRUPTIBLE), ETIMEDOUT);
  EXPECT_EQ(shmutex_is_owned(m()), 0);
  EXPECT_EQ(holder.finish(), 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Fair, testing::ValuesIn(support::fair_kinds()), param_name);

using ForgedOwner = LockTest;

// A peer writes an owner into the word: no thread at all, a thread of the kernel's, one that never heard of the lock.
// Nobody can do anything about the lock being "held" then; but limits count.
TEST_P(ForgedOwner, DoesNotHangATimedWait) {
  const uint32_t nobody = 0x3fff'fffe;
  const uint32_t kthreadd = 2;
  const uint32_t owners[] = {nobody, kthreadd, 1, static_cast<uint32_t>(getppid())};
  for (const uint32_t owner : owners) {
    for (const uint32_t waiters_bit : {0u, 0x8000'0000u}) {
      __atomic_store_n(lock_.word(), owner | waiters_bit, __ATOMIC_SEQ_CST);
      const int tried = shmutex_trylock(m());
      EXPECT_TRUE(tried == EBUSY || tried == EOWNERDEAD) << owner << ": " << tried;
      if (tried == EOWNERDEAD) {
        EXPECT_EQ(shmutex_unlock(m()), 0);
        __atomic_store_n(lock_.word(), owner | waiters_bit, __ATOMIC_SEQ_CST);
      }
      for (const int64_t limit : {int64_t{0}, 30 * millisecond}) {
        const int result = shmutex_timedlock(m(), limit);
        EXPECT_TRUE(result == ETIMEDOUT || result == EOWNERDEAD) << owner << ": " << result;
        if (result != EOWNERDEAD) continue;
        EXPECT_EQ(owner, nobody);
        EXPECT_EQ(shmutex_consistent(m()), 0);
        EXPECT_EQ(shmutex_unlock(m()), 0);
        __atomic_store_n(lock_.word(), owner | waiters_bit, __ATOMIC_SEQ_CST);
      }
    }
  }
  __atomic_store_n(lock_.word(), 0, __ATOMIC_SEQ_CST);
  pass_through(m());
  EXPECT_EQ(pass_through(m()), 0);
}

// No thread has the TID: sooner or later the waiter finds that out, and is told of a death.
TEST_P(ForgedOwner, NobodyIsFoundOut) {
  __atomic_store_n(lock_.word(), 0x3fff'fffeu, __ATOMIC_SEQ_CST);
  EXPECT_EQ(shmutex_lock(m()), EOWNERDEAD);
  EXPECT_EQ(shmutex_consistent(m()), 0);
  EXPECT_EQ(shmutex_unlock(m()), 0);
  EXPECT_EQ(pass_through(m()), 0);
}

TEST_P(ForgedOwner, ErasedWhileHeld) {
  EXPECT_EQ(shmutex_lock(m()), 0);
  __atomic_store_n(lock_.word(), 0, __ATOMIC_SEQ_CST);
  EXPECT_EQ(shmutex_is_owned(m()), 0);
  EXPECT_EQ(shmutex_unlock(m()), EPERM);
  EXPECT_EQ(pass_through(m()), 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, ForgedOwner, testing::ValuesIn(all_kinds()), param_name);

}  // namespace
