// Linking and unlinking nodes: in any order, beside libc's own, and always in libc's shape.
#include "os/robust_list.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <random>
#include <vector>

#include "mutex/layout.h"

namespace shmutex {
namespace {

// Of our own, registered nowhere.
struct List {
  void* prev = nullptr;
  RobustHead head{&head, -node_distance, nullptr};
};

// The entries from the head on, each back pointer checked on the way.
std::vector<void*> walk(RobustHead& head) {
  std::vector<void*> entries;
  void* before = &head.list;
  for (void* entry = head.list; robust::untagged(entry) != &head.list; entry = *robust::untagged(entry)) {
    entries.push_back(entry);
    EXPECT_EQ(robust::untagged(robust::untagged(entry)[-1]), before);
    before = robust::untagged(entry);
    if (entries.size() > 3000) break;
  }
  return entries;
}

TEST(RobustList, IsEmptyAtFirst) {
  List list;
  EXPECT_TRUE(robust::is_empty(list.head));
  EXPECT_EQ(robust::length(list.head), 0u);
}

TEST(RobustList, NewestIsFirst) {
  List list;
  std::array<Lock, 3> locks{};
  for (Lock& lock : locks) robust::link(list.head, lock.priv.word_node, &lock.priv.word_node.next);
  const std::vector<void*> expected{&locks[2].priv.word_node.next, &locks[1].priv.word_node.next,
                                    &locks[0].priv.word_node.next};
  EXPECT_EQ(walk(list.head), expected);
  EXPECT_EQ(robust::length(list.head), 3u);
}

TEST(RobustList, UnlinksInEveryOrder) {
  std::array<size_t, 4> order{0, 1, 2, 3};
  do {
    List list;
    std::array<Lock, 4> locks{};
    for (size_t i = 0; i < locks.size(); ++i) {
      robust::link(list.head, locks[i].priv.word_node, robust::tagged(locks[i].priv.word_node, i % 2));
    }
    for (size_t i = 0; i < order.size(); ++i) {
      robust::unlink(list.head, locks[order[i]].priv.word_node);
      EXPECT_EQ(walk(list.head).size(), order.size() - 1 - i);
    }
    EXPECT_TRUE(robust::is_empty(list.head));
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(RobustList, TagSaysFairAndIsNoPartOfTheAddress) {
  Lock lock{};
  EXPECT_EQ(robust::tagged(lock.priv.word_node, 0), &lock.priv.word_node.next);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(robust::tagged(lock.priv.word_node, 1)),
            reinterpret_cast<uintptr_t>(&lock.priv.word_node.next) + 1);
  EXPECT_EQ(robust::untagged(robust::tagged(lock.priv.word_node, 1)), &lock.priv.word_node.next);
}

TEST(RobustList, LengthStopsWhereTheKernelDoes) {
  List list;
  std::vector<Lock> locks(2100);
  for (Lock& lock : locks) robust::link(list.head, lock.priv.word_node, &lock.priv.word_node.next);
  EXPECT_EQ(robust::length(list.head), 2048u);
}

TEST(RobustList, OfTheThreadIsLibcsAndOfKnownShape) {
  RobustHead* head = nullptr;
  ASSERT_GE(robust::registered_head(head), 0);
  ASSERT_NE(head, nullptr);
  EXPECT_EQ(head->futex_offset, -node_distance);
  EXPECT_TRUE(robust::libc_shape_is_known(*head));
  EXPECT_TRUE(robust::is_empty(*head));
}

TEST(RobustList, OfAnotherShapeIsNotKnown) {
  List list;
  EXPECT_FALSE(robust::libc_shape_is_known(list.head));  // libc links its mutexes elsewhere
  list.head.futex_offset = -28;
  EXPECT_FALSE(robust::libc_shape_is_known(list.head));
}

TEST(RobustList, IsSharedWithLibcsMutexesInAnyOrder) {
  RobustHead* head = nullptr;
  ASSERT_GE(robust::registered_head(head), 0);
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  std::array<pthread_mutex_t, 3> theirs;
  for (pthread_mutex_t& mutex : theirs) pthread_mutex_init(&mutex, &attributes);
  std::array<Lock, 3> ours{};
  std::mt19937 random(5);
  std::array<size_t, 6> order{};
  std::iota(order.begin(), order.end(), size_t{0});
  for (int round = 0; round < 500; ++round) {
    std::shuffle(order.begin(), order.end(), random);
    for (const size_t i : order) {
      if (i < 3) {
        ASSERT_EQ(pthread_mutex_lock(&theirs[i]), 0);
      } else {
        robust::link(*head, ours[i - 3].priv.word_node, &ours[i - 3].priv.word_node.next);
      }
    }
    EXPECT_EQ(walk(*head).size(), 6u);
    std::shuffle(order.begin(), order.end(), random);
    for (const size_t i : order) {
      if (i < 3) {
        ASSERT_EQ(pthread_mutex_unlock(&theirs[i]), 0);
      } else {
        robust::unlink(*head, ours[i - 3].priv.word_node);
      }
    }
    ASSERT_TRUE(robust::is_empty(*head));
  }
  pthread_mutexattr_destroy(&attributes);
}

}  // namespace
}  // namespace shmutex
