// How many locks a thread may hold: as many as the kernel would clean up after it, and no more.
#include <errno.h>

#include <deque>
#include <thread>

#include "support/calls.h"
#include "support/kind.h"
#include "support/support.h"

namespace {

using support::Handle;

constexpr size_t most = 1024;

class Limits : public testing::TestWithParam<unsigned> {
 protected:
  void SetUp() override {
    for (size_t i = 0; i < most + 3; ++i) {
      locks_.emplace_back(directory_ / std::to_string(i), GetParam());
      ASSERT_EQ(locks_.back().error(), 0);
    }
  }

  support::TempDir directory_;
  std::deque<Handle> locks_;
};

TEST_P(Limits, LockBeyondTheLastOneIsRefusedUntilOneIsReleased) {
  for (size_t i = 0; i < most; ++i) ASSERT_EQ(shmutex_lock(locks_[i]), 0) << i;
  Handle& beyond = locks_[most];
  EXPECT_EQ(CALL(shmutex_lock(beyond)), ENOLCK);
  EXPECT_EQ(CALL(shmutex_trylock(beyond)), ENOLCK);
  EXPECT_EQ(CALL(shmutex_timedlock(beyond, 0)), ENOLCK);
  EXPECT_EQ(CALL(shmutex_is_owned(beyond)), 0);
  // Each thread has its own limit.
  std::thread([&] { EXPECT_EQ(shmutex_trylock(beyond) | shmutex_unlock(beyond), 0); }).join();
  ASSERT_EQ(CALL(shmutex_unlock(locks_[500])), 0);
  EXPECT_EQ(CALL(shmutex_lock(beyond)), 0);
  EXPECT_EQ(CALL(shmutex_lock(locks_[500])), ENOLCK);
  for (size_t i = 0; i <= most; ++i) {
    if (i != 500) {
      ASSERT_EQ(shmutex_unlock(locks_[i]), 0) << i;
    }
  }
  // And again, down from the full number.
  for (size_t i = 0; i < locks_.size(); ++i) EXPECT_EQ(shmutex_lock(locks_[i]), i < most ? 0 : ENOLCK) << i;
}

TEST_P(Limits, RecursiveAcquisitionsDoNotCount) {
  Handle recursive(directory_ / "recursive", GetParam() | SHMUTEX_RECURSIVE);
  ASSERT_EQ(shmutex_lock(recursive), 0);
  for (size_t i = 1; i < most; ++i) ASSERT_EQ(shmutex_lock(locks_[i]), 0) << i;
  EXPECT_EQ(CALL(shmutex_lock(recursive)), 0);
  EXPECT_EQ(CALL(shmutex_lock(locks_[most])), ENOLCK);
}

TEST_P(Limits, EveryHeldLockIsReportedWhenItsOwnerDies) {
  support::Child owner([&] {
    for (size_t i = 0; i < most; ++i) CHILD_REQUIRE(shmutex_lock(locks_[i]) == 0);
    return 0;
  });
  ASSERT_EQ(owner.wait(), 0);
  for (size_t i = 0; i < most; ++i) {
    EXPECT_EQ(shmutex_trylock(locks_[i]), EOWNERDEAD) << i;
    EXPECT_EQ(shmutex_unlock(locks_[i]), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(PlainAndFair, Limits, testing::Values(support::plain.attributes, support::fair.attributes),
                         [](const auto& suite) { return support::name_of_attributes(suite.param); });

}  // namespace
