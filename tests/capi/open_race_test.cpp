// Many first opens at once end on one inode and one lock.
#include <errno.h>

#include <deque>
#include <thread>

#include "support/calls.h"
#include "support/support.h"

namespace {

using support::Child;
using support::Handle;
using support::Shared;

constexpr int many = 1000;

struct Race {
  support::StartLine start;
  std::atomic<int> failures{0};
  std::atomic<int> created{0};
  std::atomic<int> inside{0};
  std::atomic<int> overlaps{0};
  std::atomic<uint64_t> inodes_differ{0};
  std::atomic<uint64_t> inode{0};
};

class OpenRace : public testing::Test {
 protected:
  void run(unsigned flags) {
    Handle lock;
    const int result = lock.open(path_, flags);
    if (result == 0) ++race_->created;
    if (result != 0) {
      if (result != EEXIST || (flags & SHMUTEX_MUST_CREATE) == 0) ++race_->failures;
      return;
    }
    const uint64_t inode = support::inode_of(path_);
    uint64_t first = 0;
    if (!race_->inode.compare_exchange_strong(first, inode) && first != inode) ++race_->inodes_differ;
    for (int i = 0; i < 5; ++i) {
      if (shmutex_lock(lock) != 0) ++race_->failures;
      if (race_->inside.fetch_add(1) != 0) ++race_->overlaps;
      race_->inside.fetch_sub(1);
      if (shmutex_unlock(lock) != 0) ++race_->failures;
    }
  }

  void expect_one_lock() {
    EXPECT_EQ(race_->failures, 0);
    EXPECT_EQ(race_->overlaps, 0);
    EXPECT_EQ(race_->inodes_differ, 0u);
    EXPECT_EQ(support::inode_of(path_), race_->inode);
    EXPECT_EQ(support::names_in(directory_.path()).size(), 1u);
  }

  support::TempDir directory_;
  const std::string path_ = directory_ / "lock";
  Shared<Race> race_;
};

TEST_F(OpenRace, ByAThousandProcesses) {
  race_->start.open_for(many);
  std::deque<Child> children;
  for (int i = 0; i < many; ++i) {
    children.emplace_back([&] {
      race_->start.cross();
      run(0);
      return 0;
    });
  }
  for (Child& child : children) EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(race_->created, many);
  expect_one_lock();
}

TEST_F(OpenRace, ByAThousandThreads) {
  const size_t mappings = support::mappings();
  race_->start.open_for(many);
  std::deque<std::thread> threads;
  for (int i = 0; i < many; ++i) {
    threads.emplace_back([&] {
      race_->start.cross();
      run(0);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(race_->created, many);
  expect_one_lock();
  EXPECT_LT(support::mappings(), mappings + many / 2);
}

TEST_F(OpenRace, OfMustCreateIsWonByExactlyOne) {
  for (int round = 0; round < 10; ++round) {
    new (&*race_) Race;
    race_->start.open_for(50);
    std::deque<Child> children;
    for (int i = 0; i < 50; ++i) {
      children.emplace_back([&] {
        race_->start.cross();
        run(SHMUTEX_MUST_CREATE);
        return 0;
      });
    }
    for (Child& child : children) EXPECT_EQ(child.wait(), 0);
    EXPECT_EQ(race_->created, 1);
    expect_one_lock();
    ASSERT_EQ(shmutex_unlink(path_.c_str(), 0), 0);
  }
}

}  // namespace
