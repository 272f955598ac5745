// Where there is no O_TMPFILE, a lock is made under a temporary name beside its own.
#include <errno.h>
#include <unistd.h>

#include <deque>
#include <random>

#include "support/calls.h"
#include "support/sandbox.h"
#include "support/support.h"

namespace {

using support::Child;
using support::Flag;
using support::Handle;
using support::Shared;

class NoUnnamedFiles : public testing::Test {
 protected:
  support::TempDir directory_;
  const std::string path_ = directory_ / "lock";
};

TEST_F(NoUnnamedFiles, LockIsCreatedAndNothingElse) {
  Child child([&] {
    CHILD_REQUIRE(support::forbid_unnamed_files());
    const Handle lock(path_, SHMUTEX_MUST_CREATE, 0640);
    CHILD_REQUIRE(lock.error() == 0 && shmutex_lock(lock) == 0);
    CHILD_REQUIRE(support::info_of(lock).links == 1);
    CHILD_REQUIRE(support::names_in(directory_.path()).size() == 1);
    CHILD_REQUIRE(Handle(path_, SHMUTEX_MUST_CREATE).error() == EEXIST);
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(NoUnnamedFiles, RelativePath) {
  Child child([&] {
    CHILD_REQUIRE(chdir(directory_.path().c_str()) == 0);
    CHILD_REQUIRE(support::forbid_unnamed_files());
    CHILD_REQUIRE(Handle("lock").error() == 0);
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(support::names_in(directory_.path()).size(), 1u);
}

TEST_F(NoUnnamedFiles, NameOfTheGreatestLengthCanBeCreated) {
  const std::string path = directory_ / std::string(255, 'n');
  Child child([&] {
    CHILD_REQUIRE(support::forbid_unnamed_files());
    const Handle lock(path);
    CHILD_REQUIRE(lock.error() == 0 && shmutex_lock(lock) == 0);
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(NoUnnamedFiles, RacingCreatorsEndOnOneLock) {
  for (int round = 0; round < 10; ++round) {
    Shared<Flag> go;
    Shared<std::atomic<int>> inside;
    std::deque<Child> children;
    for (int i = 0; i < 30; ++i) {
      children.emplace_back([&] {
        CHILD_REQUIRE(support::forbid_unnamed_files());
        go->wait();
        const Handle lock(path_);
        CHILD_REQUIRE(lock.error() == 0);
        for (int k = 0; k < 10; ++k) {
          CHILD_REQUIRE(shmutex_lock(lock) == 0);
          CHILD_REQUIRE(inside->fetch_add(1) == 0);
          inside->fetch_sub(1);
          CHILD_REQUIRE(shmutex_unlock(lock) == 0);
        }
        return 0;
      });
    }
    go->raise();
    for (Child& child : children) EXPECT_EQ(child.wait(), 0);
    EXPECT_EQ(support::names_in(directory_.path()).size(), 1u);
    ASSERT_EQ(shmutex_unlink(path_.c_str(), 0), 0);
  }
}

TEST_F(NoUnnamedFiles, LeftoversOfKilledCreatorsAreClearedAway) {
  std::mt19937 random(3);
  for (int round = 0; round < 20; ++round) {
    std::deque<Child> children;
    for (int i = 0; i < 8; ++i) {
      children.emplace_back([&] {
        if (!support::forbid_unnamed_files()) return 1;
        for (;;) {
          if (Handle(path_).error() == 0) shmutex_unlink(path_.c_str(), 0);
        }
        return 0;
      });
    }
    support::sleep_ms(static_cast<int64_t>(random() % 8));
    for (Child& child : children) child.kill_and_wait();
    Child next([&] {
      CHILD_REQUIRE(support::forbid_unnamed_files());
      CHILD_REQUIRE(Handle(path_).error() == 0);
      CHILD_REQUIRE(shmutex_unlink(path_.c_str(), 0) == 0);
      // A creator for certain, this time.
      const Handle lock(path_);
      CHILD_REQUIRE(lock.error() == 0 && shmutex_lock(lock) == 0 && shmutex_unlock(lock) == 0);
      return 0;
    });
    ASSERT_EQ(next.wait(), 0);
    EXPECT_EQ(support::names_in(directory_.path()).size(), 1u);
    ASSERT_EQ(shmutex_unlink(path_.c_str(), 0), 0);
  }
}

}  // namespace
