// An owner's death: told to the next owner, through a recovery function or an exception, and never entered unaware.
#include <signal.h>

#include <chrono>
#include <functional>
#include <mutex>
#include <stdexcept>

#include "cpp/support.h"

namespace {

using cpp_test::die_inside;
using cpp_test::error_of;
using shmutex::flags;
using namespace std::chrono_literals;

class Recovery : public testing::TestWithParam<flags> {
 protected:
  void SetUp() override {
    { const shmutex::mutex create(path_, GetParam()); }
    die_inside(path_);
  }

  unsigned state() const { return shmutex::inspect(path_).state; }

  support::TempDir dir_;
  const std::string path_ = dir_ / "lock";
};

INSTANTIATE_TEST_SUITE_P(PlainAndFair, Recovery, testing::Values(flags::none, flags::fair),
                         [](const auto& test) { return test.param == flags::none ? "Plain" : "Fair"; });

TEST_P(Recovery, WithoutAFunctionEveryFormThrowsAndTheMarkStays) {
  shmutex::mutex m(path_, GetParam());
  EXPECT_THROW(m.lock(), shmutex::owner_died);
  EXPECT_FALSE(m.owned());
  EXPECT_THROW(m.try_lock(), shmutex::owner_died);
  EXPECT_THROW(m.try_lock_for(1s), shmutex::owner_died);
  EXPECT_THROW(m.try_lock_until(std::chrono::steady_clock::now() + 1s), shmutex::owner_died);
  EXPECT_THROW(const std::scoped_lock guard(m), shmutex::owner_died);
  EXPECT_FALSE(m.owned());
  EXPECT_EQ(state(), unsigned{SHMUTEX_STATE_OWNER_DIED});
}

TEST_P(Recovery, TheExceptionSaysWhat) {
  shmutex::mutex m(path_, GetParam());
  try {
    m.lock();
    FAIL() << "entered unaware";
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::errc::owner_dead);
    EXPECT_NE(std::string(error.what()).find(path_), std::string::npos) << error.what();
  }
}

TEST_P(Recovery, AFunctionIsCalledOnceWithTheLockHeld) {
  int calls = 0;
  shmutex::mutex m(path_, GetParam(), [&](shmutex::mutex& self) {
    ++calls;
    EXPECT_TRUE(self.owned());
    EXPECT_EQ(self.info().state, unsigned{SHMUTEX_STATE_HELD});
    EXPECT_EQ(error_of([&] { self.lock(); }), EDEADLK);
  });
  m.lock();
  EXPECT_TRUE(m.owned());
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(m.info().recoveries, 1u);
  m.unlock();
  EXPECT_EQ(state(), unsigned{SHMUTEX_STATE_FREE});
  m.lock();
  m.unlock();
  EXPECT_EQ(calls, 1);
}

TEST_P(Recovery, EveryFormCallsTheFunction) {
  int calls = 0;
  shmutex::mutex m(path_, GetParam(), [&](shmutex::mutex&) { ++calls; });
  ASSERT_TRUE(m.try_lock());
  m.unlock();
  die_inside(path_);
  ASSERT_TRUE(m.try_lock_for(1s));
  m.unlock();
  die_inside(path_);
  ASSERT_TRUE(m.try_lock_until(std::chrono::system_clock::now() + 1s));
  m.unlock();
  EXPECT_EQ(calls, 3);
}

TEST_P(Recovery, AWaiterThatIsWokenByTheDeathRecovers) {
  const std::string path = dir_ / "second";
  int calls = 0;
  shmutex::mutex m(path, GetParam(), [&](shmutex::mutex&) { ++calls; });
  support::Shared<support::Flag> inside;
  support::Child owner([&] {
    shmutex::mutex same(path, GetParam());
    same.lock();
    inside->raise();
    support::wait_until([&] { return same.info().waiters != 0; });
    kill(getpid(), SIGKILL);
    return 0;
  });
  inside->wait();
  const std::scoped_lock guard(m);
  EXPECT_EQ(calls, 1);
}

TEST_P(Recovery, AFunctionThatThrowsLeavesTheLockReleasedAndMarked) {
  int calls = 0;
  shmutex::mutex m(path_, GetParam(), [&](shmutex::mutex&) {
    if (++calls == 1) throw std::runtime_error("beyond repair today");
  });
  EXPECT_THROW(m.lock(), std::runtime_error);
  EXPECT_FALSE(m.owned());
  EXPECT_EQ(state(), unsigned{SHMUTEX_STATE_OWNER_DIED});
  m.lock();
  EXPECT_EQ(calls, 2);
  m.unlock();
  EXPECT_EQ(state(), unsigned{SHMUTEX_STATE_FREE});
}

TEST_P(Recovery, AFunctionMayPoison) {
  shmutex::mutex m(path_, GetParam(), [](shmutex::mutex& self) { self.poison(); });
  EXPECT_EQ(error_of([&] { m.lock(); }), ENOTRECOVERABLE);
  EXPECT_FALSE(m.owned());
  EXPECT_EQ(state(), unsigned{SHMUTEX_STATE_POISONED});
  EXPECT_EQ(error_of([&] { m.lock(); }), ENOTRECOVERABLE);
  EXPECT_EQ(error_of([&] { m.try_lock(); }), ENOTRECOVERABLE);
  shmutex::unlink(path_);
}

TEST_P(Recovery, AFunctionMayDeclareConsistentItself) {
  shmutex::mutex m(path_, GetParam(), [](shmutex::mutex& self) { self.consistent(); });
  m.lock();
  EXPECT_EQ(m.info().recoveries, 1u);
  m.unlock();
  EXPECT_EQ(state(), unsigned{SHMUTEX_STATE_FREE});
}

TEST_P(Recovery, AFunctionThatUnlocksIsAnError) {
  shmutex::mutex m(path_, GetParam(), [](shmutex::mutex& self) { self.unlock(); });
  EXPECT_EQ(error_of([&] { m.lock(); }), EPERM);
  EXPECT_FALSE(m.owned());
  EXPECT_EQ(state(), unsigned{SHMUTEX_STATE_OWNER_DIED});
}

TEST_P(Recovery, DeathDuringRecoveryIsToldToo) {
  support::Child first([&] {
    shmutex::mutex m(path_, GetParam(), [](shmutex::mutex&) { kill(getpid(), SIGKILL); });
    m.lock();
    return 0;
  });
  EXPECT_EQ(first.wait(), 1000 + SIGKILL);
  int calls = 0;
  const std::function<void(shmutex::mutex&)> repair = [&](shmutex::mutex&) { ++calls; };
  shmutex::mutex m(path_, GetParam(), repair);
  m.lock();
  EXPECT_EQ(calls, 1);
  m.unlock();
}

TEST_P(Recovery, StdLockGivesTheOtherBackWhenOneThrows) {
  shmutex::mutex marked(path_, GetParam());
  shmutex::mutex other(dir_ / "other");
  EXPECT_THROW(std::lock(other, marked), shmutex::owner_died);
  EXPECT_FALSE(other.owned());
  EXPECT_FALSE(marked.owned());
}

TEST(RecoveryMisuse, ConsistentAndPoisonNeedAnOwnerAndAReason) {
  const support::TempDir dir;
  shmutex::mutex m(dir / "lock");
  EXPECT_EQ(error_of([&] { m.consistent(); }), EPERM);
  EXPECT_EQ(error_of([&] { m.poison(); }), EPERM);
  const std::scoped_lock guard(m);
  EXPECT_EQ(error_of([&] { m.consistent(); }), EINVAL);
}

TEST(RecoveryRecursive, TheFunctionMayAcquireAgain) {
  const support::TempDir dir;
  const std::string path = dir / "lock";
  { const shmutex::recursive_mutex create(path); }
  die_inside(path);
  int calls = 0;
  shmutex::recursive_mutex m(path, [&](shmutex::recursive_mutex& self) {
    ++calls;
    const std::scoped_lock again(self);
    EXPECT_EQ(self.info().depth, 2u);
  });
  m.lock();
  EXPECT_EQ(calls, 1);
  m.unlock();
  EXPECT_EQ(m.info().state, unsigned{SHMUTEX_STATE_FREE});
}

TEST(RecoveryRecursive, HoweverDeepTheFunctionLeavesItAFailureReleasesIt) {
  const support::TempDir dir;
  for (const bool poisons : {false, true}) {
    const std::string path = dir / (poisons ? "poisoned" : "thrown");
    { const shmutex::recursive_mutex create(path); }
    die_inside(path);
    shmutex::recursive_mutex m(path, [&](shmutex::recursive_mutex& self) {
      self.lock();
      if (!poisons) throw std::runtime_error("beyond repair today");
      self.poison();
    });
    EXPECT_THROW(m.lock(), std::runtime_error);
    EXPECT_FALSE(m.owned());
    EXPECT_EQ(m.info().state, unsigned{poisons ? SHMUTEX_STATE_POISONED : SHMUTEX_STATE_OWNER_DIED});
  }
}

}  // namespace
