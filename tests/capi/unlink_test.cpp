// shmutex_unlink(): when it refuses, which handles it tells, and that a name never has two live locks.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <deque>
#include <random>
#include <thread>

#include "support/calls.h"
#include "support/killing.h"
#include "support/kind.h"
#include "support/lock_page.h"
#include "support/support.h"

namespace {

using support::Child;
using support::Flag;
using support::Handle;
using support::Shared;

class Unlink : public testing::TestWithParam<unsigned> {
 protected:
  unsigned attributes() const { return GetParam(); }
  int remove() { return CALL(shmutex_unlink(path_.c_str(), 0)); }
  bool exists() const { return support::inode_of(path_) != 0; }

  support::TempDir directory_;
  const std::string path_ = directory_ / "lock";
};

TEST_P(Unlink, OfAMissingLock) { EXPECT_EQ(remove(), ENOENT); }

TEST_P(Unlink, OfAFreeLockLeavesNothing) {
  { const Handle lock(path_, attributes()); }
  EXPECT_EQ(remove(), 0);
  EXPECT_TRUE(support::names_in(directory_.path()).empty());
  EXPECT_EQ(remove(), ENOENT);
}

TEST_P(Unlink, OfALockHeldByTheCallerIsRefused) {
  const Handle lock(path_, attributes());
  ASSERT_EQ(shmutex_lock(lock), 0);
  EXPECT_EQ(remove(), EBUSY);
  EXPECT_EQ(shmutex_is_owned(lock), 1);
  EXPECT_EQ(shmutex_unlock(lock), 0);
  EXPECT_EQ(shmutex_lock(lock), 0);
}

TEST_P(Unlink, OfARecursiveLockHeldByTheCallerIsRefused) {
  const Handle lock(path_, attributes() | SHMUTEX_RECURSIVE);
  ASSERT_EQ(shmutex_lock(lock), 0);
  EXPECT_EQ(remove(), EBUSY);
  EXPECT_EQ(support::info_of(lock).depth, 1u);
}

TEST_P(Unlink, OfALockHeldByAnotherThreadOrProcessIsRefused) {
  const Handle lock(path_, attributes());
  ASSERT_EQ(shmutex_lock(lock), 0);
  std::thread([&] { EXPECT_EQ(remove(), EBUSY); }).join();
  Child other([&] { return shmutex_unlink(path_.c_str(), 0); });
  EXPECT_EQ(other.wait(), EBUSY);
  EXPECT_TRUE(exists());
  EXPECT_EQ(shmutex_unlock(lock), 0);
  EXPECT_EQ(shmutex_lock(lock), 0);
}

TEST_P(Unlink, OfAPoisonedLock) {
  const Handle lock(path_, attributes());
  ASSERT_EQ(shmutex_lock(lock), 0);
  ASSERT_EQ(shmutex_poison(lock), 0);
  EXPECT_EQ(remove(), EBUSY);  // an owner is inside still
  ASSERT_EQ(shmutex_unlock(lock), 0);
  EXPECT_EQ(remove(), 0);
  EXPECT_EQ(shmutex_lock(lock), EIDRM);
  const Handle fresh(path_, attributes());
  EXPECT_EQ(shmutex_lock(fresh), 0);
}

TEST_P(Unlink, OfALockWhoseOwnerDied) {
  const Handle lock(path_, attributes());
  Child owner([&] { return shmutex_lock(lock); });
  ASSERT_EQ(owner.wait(), 0);
  EXPECT_EQ(remove(), 0);
  EXPECT_EQ(shmutex_lock(lock), EIDRM);
  const Handle fresh(path_, attributes());
  EXPECT_EQ(shmutex_lock(fresh), 0);
}

TEST_P(Unlink, OfALockWhosePoisonerDiedInside) {
  const Handle lock(path_, attributes());
  Child owner([&] { return shmutex_lock(lock) == 0 ? shmutex_poison(lock) : 1; });
  ASSERT_EQ(owner.wait(), 0);
  EXPECT_EQ(remove(), 0);
  EXPECT_FALSE(exists());
}

TEST_P(Unlink, TellsEveryHandleInEveryProcess) {
  Shared<Flag> removed;
  const Handle lock(path_, attributes());
  std::deque<Child> others;
  Shared<std::atomic<int>> opened;
  for (int i = 0; i < 4; ++i) {
    others.emplace_back([&] {
      const Handle its(path_, attributes());
      ++*opened;
      removed->wait();
      CHILD_REQUIRE(CALL(shmutex_lock(its)) == EIDRM);
      CHILD_REQUIRE(CALL(shmutex_trylock(its)) == EIDRM);
      CHILD_REQUIRE(CALL(shmutex_timedlock(its, 0)) == EIDRM);
      CHILD_REQUIRE(CALL(shmutex_acquire(its, -1, SHMUTEX_INTERRUPTIBLE)) == EIDRM);
      CHILD_REQUIRE(CALL(shmutex_unlock(its)) == EPERM);
      CHILD_REQUIRE(shmutex_close(its.get()) == 0);
      _exit(0);
      return 0;
    });
  }
  support::wait_until([&] { return *opened == 4; });
  EXPECT_EQ(remove(), 0);
  removed->raise();
  for (Child& other : others) EXPECT_EQ(other.wait(), 0);
  EXPECT_EQ(shmutex_lock(lock), EIDRM);
  const Handle fresh(path_, attributes());
  EXPECT_EQ(shmutex_lock(fresh), 0);
  EXPECT_EQ(shmutex_lock(lock), EIDRM);
}

TEST_P(Unlink, OfOneOfTwoNamesRetiresTheLockUnderBoth) {
  const std::string other = directory_ / "other";
  const Handle lock(path_, attributes());
  ASSERT_EQ(link(path_.c_str(), other.c_str()), 0);
  EXPECT_EQ(remove(), 0);
  EXPECT_EQ(shmutex_lock(lock), EIDRM);
  const Handle fresh(other, attributes());
  ASSERT_EQ(fresh.error(), 0);
  EXPECT_EQ(shmutex_lock(fresh), 0);
}

TEST_P(Unlink, InADirectoryThatMayNotBeWrittenLeavesTheLockAsItWas) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
  { const Handle lock(path_, attributes(), 0666); }
  ASSERT_EQ(chmod(directory_.path().c_str(), 0755), 0);
  Child nobody([&] {
    CHILD_REQUIRE(setuid(65534) == 0);
    const Handle lock(path_, attributes());
    CHILD_REQUIRE(lock.error() == 0);
    CHILD_REQUIRE(CALL(shmutex_unlink(path_.c_str(), 0)) == EACCES);
    CHILD_REQUIRE(shmutex_lock(lock) == 0 && shmutex_unlock(lock) == 0);
    return 0;
  });
  EXPECT_EQ(nobody.wait(), 0);
  const Handle lock(path_, attributes());
  EXPECT_EQ(shmutex_lock(lock), 0);
}

// A user who may lock, but not remove, and is killed at any point of the attempt: the lock goes on for everybody.
TEST_P(Unlink, OfAnothersLockInAStickyDirectoryIsRefusedAndAKillOnTheWayChangesNothing) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to become somebody else";
  ASSERT_EQ(chmod(directory_.path().c_str(), 01777), 0);
  const Handle lock(path_, attributes(), 0666);
  const auto become = [](uid_t user) {
    if (setgid(user) != 0 || setuid(user) != 0) _exit(1);
  };
  Child nobody([&] {
    become(65534);
    CHILD_REQUIRE(CALL(shmutex_unlink(path_.c_str(), 0)) == EPERM);
    return 0;
  });
  EXPECT_EQ(nobody.wait(), 0);
  bool killed = true;
  for (int n = 1; killed; ++n) {
    killed = support::killed_at_system_call(
        n, [&] { become(65534); }, [&] { shmutex_unlink(path_.c_str(), 0); });
    const int result = shmutex_lock(lock);
    ASSERT_TRUE(result == 0 || result == EOWNERDEAD) << n << ": " << result;
    if (result == EOWNERDEAD) {
      EXPECT_EQ(shmutex_consistent(lock), 0);
    }
    EXPECT_EQ(shmutex_unlock(lock), 0);
  }
  // And the right user, whose removal others may not finish.
  killed = true;
  for (int n = 1; killed; ++n) {
    { const Handle fresh(path_, attributes(), 0666); }
    killed = support::killed_at_system_call(
        n, [] {}, [&] { shmutex_unlink(path_.c_str(), 0); });
    if (!exists()) continue;
    Child other([&] {
      become(65534);
      const Handle its(path_, attributes(), 0666);
      CHILD_REQUIRE(its.error() == 0);
      const int result = shmutex_lock(its);
      CHILD_REQUIRE(result == 0 || result == EOWNERDEAD);
      return 0;
    });
    EXPECT_EQ(other.wait(), 0) << n;
  }
}

// The names' lock belongs to the open file, which a child that is forked during a removal has, too.
TEST_P(Unlink, IsNotHeldUpByChildrenThatWereForkedDuringAnother) {
  const Handle lock(path_, attributes());
  ASSERT_EQ(shmutex_lock(lock), 0);
  Child forks([&] {
    Shared<std::atomic<int>> phase;
    std::thread refused([&] {
      while (*phase == 0) shmutex_unlink(path_.c_str(), 0);
      *phase = 2;
    });
    std::deque<Child> children;
    for (int i = 0; i < 300; ++i) {
      children.emplace_back([] {
        pause();
        return 0;
      });
    }
    *phase = 1;
    refused.join();
    // With the children alive, the byte is free.
    const int fd = open(path_.c_str(), O_RDWR | O_CLOEXEC);
    struct flock names {};
    names.l_type = F_WRLCK;
    names.l_whence = SEEK_SET;
    names.l_start = 1;
    names.l_len = 1;
    CHILD_REQUIRE(fcntl(fd, F_OFD_GETLK, &names) == 0 && names.l_type == F_UNLCK);
    return 0;
  });
  EXPECT_EQ(forks.wait(), 0);
}

TEST_P(Unlink, OfTheLockThatWaitersWaitForIsRefused) {
  const Handle lock(path_, attributes());
  ASSERT_EQ(shmutex_lock(lock), 0);
  Child waiter([&] { return shmutex_lock(lock) == 0 && shmutex_unlock(lock) == 0 ? 0 : 1; });
  waiter.wait_until_asleep();
  EXPECT_EQ(remove(), EBUSY);
  EXPECT_EQ(shmutex_unlock(lock), 0);
  EXPECT_EQ(waiter.wait(), 0);
  EXPECT_EQ(remove(), 0);
}

struct Arena {
  Flag stop;
  std::atomic<int> inside{0};
  std::atomic<int> overlaps{0};
  std::atomic<int> unexpected{0};
  std::atomic<int64_t> acquired{0};
  std::atomic<int64_t> removed{0};
  std::atomic<int64_t> told{0};
};

// Opens, locks, waits, removes, at random. A name has one live lock at most, so nobody is ever inside with another.
int live_in(Arena& arena, const std::string& path, unsigned attributes, unsigned seed) {
  std::mt19937 random(seed);
  while (!arena.stop.raised()) {
    const Handle lock(path, attributes);
    if (lock.error() != 0) {
      fprintf(stderr, "open: %d %s\n", lock.error(), shmutex_error_detail());
      ++arena.unexpected;
      continue;
    }
    for (int i = 0; i < 10; ++i) {
      const int result = random() % 4 == 0 ? shmutex_trylock(lock) : shmutex_lock(lock);
      if (result == EIDRM) {
        ++arena.told;
        break;
      }
      if (result == EBUSY) continue;
      if (result != 0 && result != EOWNERDEAD) {
        fprintf(stderr, "lock: %d %s\n", result, shmutex_error_detail());
        ++arena.unexpected;
        continue;
      }
      if (arena.inside.fetch_add(1) != 0) ++arena.overlaps;
      ++arena.acquired;
      if (random() % 8 == 0) sched_yield();
      arena.inside.fetch_sub(1);
      if (result == EOWNERDEAD) shmutex_consistent(lock);
      if (shmutex_unlock(lock) != 0) ++arena.unexpected;
    }
    // The queue of a fair lock would never run empty, and a lock that is held is not removed.
    if ((attributes & SHMUTEX_FAIR) != 0) support::sleep_ms(static_cast<int64_t>(random() % 30));
    if (random() % 3 != 0) continue;
    const int result = shmutex_unlink(path.c_str(), 0);
    if (result == 0)
      ++arena.removed;
    else if (result != EBUSY && result != ENOENT && result != EIDRM) {
      fprintf(stderr, "unlink: %d %s\n", result, shmutex_error_detail());
      ++arena.unexpected;
    }
  }
  return 0;
}

TEST_P(Unlink, RacingWithOpenLockAndWaitersNeverMakesTwoLocks) {
  Shared<Arena> arena;
  std::deque<Child> children;
  for (unsigned i = 0; i < 12; ++i) {
    children.emplace_back([&, i] { return live_in(*arena, path_, attributes(), i); });
  }
  support::wait_until([&] { return arena->removed > 300 && arena->acquired > 3000 && arena->told > 0; });
  arena->stop.raise();
  for (Child& child : children) EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(arena->overlaps, 0);
  EXPECT_EQ(arena->unexpected, 0);
}

// The same by the threads of two processes.
TEST_P(Unlink, RacingThreadsNeverMakeTwoLocks) {
  Shared<Arena> arena;
  std::deque<Child> children;
  for (unsigned i = 0; i < 2; ++i) {
    children.emplace_back([&, i] {
      std::deque<std::thread> threads;
      for (unsigned k = 0; k < 6; ++k) {
        threads.emplace_back([&, k] { live_in(*arena, path_, attributes(), 100 * i + k); });
      }
      for (std::thread& thread : threads) thread.join();
      return 0;
    });
  }
  support::wait_until([&] { return arena->removed > 100 && arena->acquired > 1000 && arena->told > 0; });
  arena->stop.raise();
  for (Child& child : children) EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(arena->overlaps, 0);
  EXPECT_EQ(arena->unexpected, 0);
}

// Killed users and removers: the lock is told of, removals are finished, and nobody is ever refused for good.
TEST_P(Unlink, RacingWithKillsLeavesAUsableName) {
  Shared<Arena> arena;
  std::mt19937 random(7);
  std::deque<Child> children;
  unsigned seed = 0;
  const auto more = [&] { return [&, mine = seed++] { return live_in(*arena, path_, attributes(), mine); }; };
  for (int i = 0; i < 8; ++i) children.emplace_back(more());
  for (int kill = 0; kill < 300; ++kill) {
    support::sleep_ms(static_cast<int64_t>(random() % 4));
    children.front().kill_and_wait();
    children.pop_front();
    // One that was killed inside does not count itself out.
    children.emplace_back(more());
  }
  arena->stop.raise();
  for (Child& child : children) EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(arena->unexpected, 0);
  const Handle lock(path_, attributes());
  ASSERT_EQ(lock.error(), 0) << shmutex_error_detail();
  const int result = shmutex_timedlock(lock, 30 * support::second);
  EXPECT_TRUE(result == 0 || result == EOWNERDEAD) << result;
}

INSTANTIATE_TEST_SUITE_P(PlainAndFair, Unlink, testing::Values(support::plain.attributes, support::fair.attributes),
                         [](const auto& suite) { return support::name_of_attributes(suite.param); });

}  // namespace
