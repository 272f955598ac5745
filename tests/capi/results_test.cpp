// The table of what each situation returns: the rows about acquiring and releasing, for plain and fair locks, in files
// and in buffers alike.
#include <errno.h>

#include <thread>

#include "support/calls.h"
#include "support/kind.h"
#include "support/support.h"

namespace {

using support::Child;
using support::Flag;
using support::Handle;
using support::info_of;
using support::Kind;
using support::Shared;

class Results : public testing::TestWithParam<Kind> {
 protected:
  struct alignas(SHMUTEX_ALIGN) Memory {
    unsigned char bytes[SHMUTEX_SIZE] = {};
  };

  unsigned attributes() const { return GetParam().attributes; }

  // One more handle of the one lock of this test. In a child of the test, too.
  Handle open_lock(unsigned more_attributes = 0) {
    Handle lock;
    const unsigned flags = attributes() | more_attributes;
    if (GetParam().in_buffer)
      lock.attach(&*memory_, sizeof(Memory), flags | SHMUTEX_INIT_ONCE);
    else
      lock.open(path_, flags);
    EXPECT_EQ(lock.error(), 0) << shmutex_error_detail();
    return lock;
  }

  // A process that acquires the lock, and holds it until it is killed.
  Child holder() {
    held_->value = 0;
    Child child([this] {
      const Handle lock = open_lock();
      const int result = shmutex_lock(lock);
      CHILD_REQUIRE(result == 0 || result == EOWNERDEAD);
      held_->raise();
      for (;;) support::sleep_ms(1000);
      return 0;
    });
    held_->wait();
    return child;
  }

  support::TempDir directory_;
  const std::string path_ = directory_ / "lock";
  Shared<Memory> memory_;
  Shared<Flag> held_;
};

TEST_P(Results, FreeLockIsAcquiredByEveryWay) {
  const Handle lock = open_lock();
  EXPECT_EQ(CALL(shmutex_lock(lock)), 0);
  EXPECT_EQ(CALL(shmutex_is_owned(lock)), 1);
  EXPECT_EQ(CALL(shmutex_unlock(lock)), 0);
  EXPECT_EQ(CALL(shmutex_is_owned(lock)), 0);
  EXPECT_EQ(CALL(shmutex_trylock(lock)), 0);
  EXPECT_EQ(CALL(shmutex_unlock(lock)), 0);
  for (const int64_t timeout : {int64_t{-1}, int64_t{0}, int64_t{1}, support::second, INT64_MIN, INT64_MAX}) {
    EXPECT_EQ(CALL(shmutex_timedlock(lock, timeout)), 0) << timeout;
    EXPECT_EQ(CALL(shmutex_unlock(lock)), 0);
    EXPECT_EQ(CALL(shmutex_acquire(lock, timeout, SHMUTEX_INTERRUPTIBLE)), 0) << timeout;
    EXPECT_EQ(CALL(shmutex_unlock(lock)), 0);
  }
}

TEST_P(Results, LockHeldByAnother) {
  const Handle lock = open_lock();
  const Child other = holder();
  EXPECT_EQ(CALL(shmutex_trylock(lock)), EBUSY);
  EXPECT_EQ(CALL(shmutex_timedlock(lock, 0)), ETIMEDOUT);
  EXPECT_EQ(CALL(shmutex_timedlock(lock, 5 * support::millisecond)), ETIMEDOUT);
  EXPECT_EQ(CALL(shmutex_acquire(lock, 5 * support::millisecond, SHMUTEX_INTERRUPTIBLE)), ETIMEDOUT);
  EXPECT_EQ(CALL(shmutex_unlock(lock)), EPERM);
  EXPECT_EQ(CALL(shmutex_consistent(lock)), EPERM);
  EXPECT_EQ(CALL(shmutex_poison(lock)), EPERM);
  EXPECT_EQ(CALL(shmutex_is_owned(lock)), 0);
  const shmutex_info_t info = info_of(lock);
  EXPECT_EQ(info.state, static_cast<uint32_t>(SHMUTEX_STATE_HELD));
  EXPECT_EQ(info.owner_pid, other.pid());
}

TEST_P(Results, LockHeldByTheCallerAndNotRecursive) {
  const Handle lock = open_lock();
  ASSERT_EQ(CALL(shmutex_lock(lock)), 0);
  const uint64_t token = shmutex_token(lock);
  EXPECT_EQ(CALL(shmutex_lock(lock)), EDEADLK);
  EXPECT_EQ(CALL(shmutex_timedlock(lock, support::second)), EDEADLK);
  EXPECT_EQ(CALL(shmutex_timedlock(lock, 0)), EDEADLK);
  EXPECT_EQ(CALL(shmutex_acquire(lock, -1, SHMUTEX_INTERRUPTIBLE)), EDEADLK);
  EXPECT_EQ(CALL(shmutex_trylock(lock)), EBUSY);
  EXPECT_EQ(CALL(shmutex_is_owned(lock)), 1);
  EXPECT_EQ(shmutex_token(lock), token);
  EXPECT_EQ(CALL(shmutex_unlock(lock)), 0);
  EXPECT_EQ(CALL(shmutex_unlock(lock)), EPERM);
}

TEST_P(Results, RecursiveLockIsReleasedAsOftenAsItIsAcquired) {
  const Handle lock = open_lock(SHMUTEX_RECURSIVE);
  ASSERT_EQ(CALL(shmutex_lock(lock)), 0);
  const uint64_t token = shmutex_token(lock);
  EXPECT_EQ(CALL(shmutex_trylock(lock)), 0);
  EXPECT_EQ(CALL(shmutex_timedlock(lock, 0)), 0);
  EXPECT_EQ(info_of(lock).depth, 3u);
  EXPECT_EQ(shmutex_token(lock), token);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(CALL(shmutex_is_owned(lock)), 1);
    EXPECT_EQ(CALL(shmutex_unlock(lock)), 0);
  }
  EXPECT_EQ(CALL(shmutex_is_owned(lock)), 0);
  EXPECT_EQ(CALL(shmutex_unlock(lock)), EPERM);
}

TEST_P(Results, DepthIsLimited) {
  const Handle lock = open_lock(SHMUTEX_RECURSIVE);
  for (int i = 0; i < SHMUTEX_MAX_DEPTH; ++i) ASSERT_EQ(shmutex_lock(lock), 0) << i;
  EXPECT_EQ(CALL(shmutex_lock(lock)), EAGAIN);
  EXPECT_EQ(CALL(shmutex_trylock(lock)), EAGAIN);
  EXPECT_EQ(CALL(shmutex_timedlock(lock, 0)), EAGAIN);
  EXPECT_EQ(info_of(lock).depth, static_cast<uint32_t>(SHMUTEX_MAX_DEPTH));
  ASSERT_EQ(CALL(shmutex_unlock(lock)), 0);
  EXPECT_EQ(CALL(shmutex_lock(lock)), 0);
  for (int i = 0; i < SHMUTEX_MAX_DEPTH; ++i) ASSERT_EQ(shmutex_unlock(lock), 0) << i;
  EXPECT_EQ(CALL(shmutex_unlock(lock)), EPERM);
}

TEST_P(Results, FreeLockIsNobodysToReleaseDeclareOrPoison) {
  const Handle lock = open_lock();
  EXPECT_EQ(CALL(shmutex_unlock(lock)), EPERM);
  EXPECT_EQ(CALL(shmutex_consistent(lock)), EPERM);
  EXPECT_EQ(CALL(shmutex_poison(lock)), EPERM);
  EXPECT_EQ(info_of(lock).state, static_cast<uint32_t>(SHMUTEX_STATE_FREE));
}

TEST_P(Results, AnotherThreadIsNotTheOwner) {
  const Handle lock = open_lock();
  ASSERT_EQ(CALL(shmutex_lock(lock)), 0);
  std::thread([&] {
    EXPECT_EQ(CALL(shmutex_is_owned(lock)), 0);
    EXPECT_EQ(CALL(shmutex_unlock(lock)), EPERM);
    EXPECT_EQ(CALL(shmutex_consistent(lock)), EPERM);
    EXPECT_EQ(CALL(shmutex_poison(lock)), EPERM);
    EXPECT_EQ(CALL(shmutex_trylock(lock)), EBUSY);
  }).join();
  EXPECT_EQ(CALL(shmutex_unlock(lock)), 0);
}

TEST_P(Results, DeadOwnerIsReportedUntilDeclaredConsistent) {
  const Handle lock = open_lock();
  Child owner = holder();
  const pid_t dead = owner.pid();
  owner.kill_and_wait();
  EXPECT_EQ(info_of(lock).state, static_cast<uint32_t>(SHMUTEX_STATE_OWNER_DIED));
  EXPECT_EQ(info_of(lock).last_dead_tid, dead) << "before anybody has acquired it";
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(CALL(shmutex_lock(lock)), EOWNERDEAD);
    EXPECT_EQ(CALL(shmutex_is_owned(lock)), 1);
    EXPECT_EQ(CALL(shmutex_unlock(lock)), 0);
  }
  EXPECT_EQ(CALL(shmutex_trylock(lock)), EOWNERDEAD);
  EXPECT_EQ(CALL(shmutex_consistent(lock)), 0);
  EXPECT_EQ(CALL(shmutex_consistent(lock)), EINVAL);
  EXPECT_EQ(CALL(shmutex_unlock(lock)), 0);
  EXPECT_EQ(CALL(shmutex_timedlock(lock, 0)), 0);
  const shmutex_info_t info = info_of(lock);
  EXPECT_EQ(info.recoveries, 1u);
  EXPECT_EQ(info.last_dead_tid, dead);
}

TEST_P(Results, ConsistentOnALockThatIsNotInconsistent) {
  const Handle lock = open_lock();
  ASSERT_EQ(CALL(shmutex_lock(lock)), 0);
  EXPECT_EQ(CALL(shmutex_consistent(lock)), EINVAL);
  EXPECT_EQ(CALL(shmutex_is_owned(lock)), 1);
  EXPECT_EQ(info_of(lock).recoveries, 0u);
}

TEST_P(Results, PoisonedLockIsNeverAcquiredAgain) {
  const Handle lock = open_lock();
  ASSERT_EQ(CALL(shmutex_lock(lock)), 0);
  EXPECT_EQ(CALL(shmutex_poison(lock)), 0);
  EXPECT_EQ(CALL(shmutex_is_owned(lock)), 1);
  EXPECT_EQ(CALL(shmutex_consistent(lock)), ENOTRECOVERABLE);
  EXPECT_EQ(CALL(shmutex_unlock(lock)), 0);
  EXPECT_EQ(CALL(shmutex_lock(lock)), ENOTRECOVERABLE);
  EXPECT_EQ(CALL(shmutex_trylock(lock)), ENOTRECOVERABLE);
  EXPECT_EQ(CALL(shmutex_timedlock(lock, 0)), ENOTRECOVERABLE);
  EXPECT_EQ(CALL(shmutex_acquire(lock, -1, SHMUTEX_INTERRUPTIBLE)), ENOTRECOVERABLE);
  EXPECT_EQ(CALL(shmutex_is_owned(lock)), 0);
  EXPECT_EQ(info_of(lock).state, static_cast<uint32_t>(SHMUTEX_STATE_POISONED));
  Child other([this] {
    const Handle its = open_lock();
    CHILD_REQUIRE(shmutex_lock(its) == ENOTRECOVERABLE);
    return 0;
  });
  EXPECT_EQ(other.wait(), 0);
}

TEST_P(Results, LockPoisonedByADeadOwnersSuccessor) {
  const Handle lock = open_lock();
  holder().kill_and_wait();
  ASSERT_EQ(CALL(shmutex_lock(lock)), EOWNERDEAD);
  EXPECT_EQ(CALL(shmutex_poison(lock)), 0);
  EXPECT_EQ(CALL(shmutex_consistent(lock)), ENOTRECOVERABLE);
  EXPECT_EQ(CALL(shmutex_unlock(lock)), 0);
  EXPECT_EQ(CALL(shmutex_lock(lock)), ENOTRECOVERABLE);
}

TEST_P(Results, CloseIsRefusedWhileAThreadOfTheProcessHolds) {
  Handle lock = open_lock();
  ASSERT_EQ(CALL(shmutex_lock(lock)), 0);
  EXPECT_EQ(CALL(shmutex_close(lock)), EBUSY);
  std::thread([&] { EXPECT_EQ(CALL(shmutex_close(lock)), EBUSY); }).join();
  EXPECT_EQ(CALL(shmutex_is_owned(lock)), 1);
  EXPECT_EQ(CALL(shmutex_unlock(lock)), 0);
}

TEST_P(Results, CloseIsRefusedWhileAThreadWaits) {
  Handle lock = open_lock();
  const Child other = holder();
  std::atomic<pid_t> waiter{0};
  std::thread waiting([&] {
    waiter = gettid();
    EXPECT_EQ(CALL(shmutex_lock(lock)), EOWNERDEAD);
    EXPECT_EQ(CALL(shmutex_unlock(lock)), 0);
  });
  support::wait_until(
      [&] { return waiter != 0 && support::thread_state(waiter) == 'S' && info_of(lock).waiters == 1; });
  EXPECT_EQ(CALL(shmutex_close(lock)), EBUSY);
  other.signal(SIGKILL);
  waiting.join();
}

TEST_P(Results, TwoHandlesAreOneLockAndOneOfThemClosesWhileHeld) {
  const Handle first = open_lock();
  shmutex_t* const second = open_lock().release();
  ASSERT_EQ(CALL(shmutex_lock(first)), 0);
  EXPECT_EQ(CALL(shmutex_is_owned(second)), 1);
  EXPECT_EQ(CALL(shmutex_trylock(second)), EBUSY);
  EXPECT_EQ(CALL(shmutex_lock(second)), EDEADLK);
  EXPECT_EQ(CALL(shmutex_close(second)), 0);
  EXPECT_EQ(CALL(shmutex_is_owned(first)), 1);
  EXPECT_EQ(CALL(shmutex_close(first)), EBUSY);
  EXPECT_EQ(CALL(shmutex_unlock(first)), 0);
}

TEST_P(Results, TokenGrowsByOneWithEveryAcquisition) {
  const Handle lock = open_lock();
  uint64_t last = shmutex_token(lock);
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(i % 2 == 0 ? shmutex_lock(lock) : shmutex_trylock(lock), 0);
    EXPECT_EQ(CALL(shmutex_token(lock)), last + 1);
    last = shmutex_token(lock);
    ASSERT_EQ(shmutex_unlock(lock), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(PlainAndFair, Results,
                         testing::ValuesIn(support::in_both_places({support::plain, support::fair})),
                         support::param_name);

}  // namespace
