// Locks in memory that the caller brings.
#include <mutex>
#include <vector>

#include "cpp/support.h"

namespace {

using cpp_test::error_of;
using shmutex::flags;

struct Table {
  alignas(SHMUTEX_ALIGN) unsigned char lock[SHMUTEX_SIZE];
  volatile long value;
};

class Memory : public testing::Test {
 protected:
  shmutex::memory where() { return {table_->lock, sizeof table_->lock}; }

  support::Shared<Table> table_;
};

TEST_F(Memory, InitAttachAndShare) {
  shmutex::mutex::init(where());
  shmutex::mutex m(where());
  constexpr int rounds = 20'000;
  std::vector<support::Child> children;
  const auto work = [&] {
    for (int i = 0; i < rounds; ++i) {
      const std::scoped_lock guard(m);
      table_->value = table_->value + 1;
    }
    return 0;
  };
  for (int i = 0; i < 3; ++i) children.emplace_back(std::function<int()>(work));
  work();
  for (auto& child : children) EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(table_->value, 4 * rounds);
}

TEST_F(Memory, InitOnceByEverybody) {
  std::vector<support::Child> children;
  for (int i = 0; i < 8; ++i) {
    children.emplace_back([&] {
      shmutex::recursive_mutex m(where(), flags::init_once);
      const std::scoped_lock guard(m);
      table_->value = table_->value + 1;
      return 0;
    });
  }
  for (auto& child : children) EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(table_->value, 8);
}

TEST_F(Memory, RecoversFromADeadOwner) {
  shmutex::mutex::init(where());
  support::Child owner([&] {
    shmutex::mutex m(where());
    m.lock();
    return 0;
  });
  EXPECT_EQ(owner.wait(), 0);
  shmutex::mutex without(where());
  EXPECT_THROW(without.lock(), shmutex::owner_died);
  bool repaired = false;
  shmutex::mutex m(where(), [&](shmutex::mutex&) { repaired = true; });
  const std::scoped_lock guard(m);
  EXPECT_TRUE(repaired);
}

TEST_F(Memory, FairAndRecursive) {
  shmutex::recursive_mutex::init(where(), flags::fair);
  EXPECT_EQ(error_of([&] { const shmutex::recursive_mutex m(where()); }), EPROTOTYPE);
  shmutex::recursive_mutex m(where(), flags::fair);
  const std::scoped_lock guard(m);
  EXPECT_TRUE(m.try_lock());
  m.unlock();
}

TEST_F(Memory, WhatIsNoLockIsRefused) {
  EXPECT_EQ(error_of([&] { const shmutex::mutex m(where()); }), EBADMSG);
  EXPECT_EQ(error_of([&] { shmutex::mutex::init({table_->lock, SHMUTEX_SIZE - 1}); }), EINVAL);
  EXPECT_EQ(error_of([&] { shmutex::mutex::init({table_->lock + 1, SHMUTEX_SIZE}); }), EINVAL);
  EXPECT_EQ(error_of([&] { shmutex::mutex::init({nullptr, SHMUTEX_SIZE}); }), EINVAL);
  EXPECT_EQ(error_of([&] { shmutex::mutex::init(where(), flags::must_exist); }), EINVAL);
}

TEST_F(Memory, DestroyRetires) {
  shmutex::mutex::init(where());
  shmutex::mutex m(where());
  m.lock();
  EXPECT_EQ(error_of([&] { shmutex::destroy(where()); }), EBUSY);
  m.unlock();
  shmutex::destroy(where());
  EXPECT_EQ(error_of([&] { m.lock(); }), EIDRM);
}

}  // namespace
