// The lock word's transitions: the table in word.h, row by row.
#include "os/robust_word.h"

#include <gtest/gtest.h>

namespace shmutex::word {
namespace {

constexpr uint32_t W = waiters;
constexpr uint32_t D = owner_died;
constexpr uint32_t self = 1234;
constexpr uint32_t every_flag[] = {0, W, D, W | D};

TEST(Word, IsFreeWithoutATid) {
  for (const uint32_t flags : every_flag) {
    EXPECT_TRUE(is_free(flags));
    EXPECT_FALSE(is_free(flags | self));
    EXPECT_EQ(tid(flags | self), self);
    EXPECT_EQ(tid(flags), 0u);
  }
}

TEST(Word, GreatestTidFits) {
  constexpr uint32_t greatest = 1u << 22;  // PID_MAX_LIMIT
  EXPECT_EQ(tid(W | D | greatest), greatest);
}

TEST(Word, BargerKeepsWhatOthersRelyOn) {
  for (const uint32_t flags : every_flag) EXPECT_EQ(taken_by_barger(flags, self), flags | self);
}

TEST(Word, HeadWaiterDropsItsOwnBitOnly) {
  EXPECT_EQ(taken_by_head(0, self), self);
  EXPECT_EQ(taken_by_head(W, self), self);
  EXPECT_EQ(taken_by_head(D, self), self | D);
  EXPECT_EQ(taken_by_head(W | D, self), self | D);
}

TEST(Word, ReleaseKeepsTheNewsOfADeath) {
  EXPECT_EQ(released(self), 0u);
  EXPECT_EQ(released(self | W), 0u);
  EXPECT_EQ(released(self | D), D);
  EXPECT_EQ(released(self | W | D), D);
}

TEST(Word, OrphanIsWhatTheKernelWrites) {
  EXPECT_EQ(orphaned(self), D);
  EXPECT_EQ(orphaned(self | W), W | D);
  EXPECT_EQ(orphaned(self | D), D);
  EXPECT_EQ(orphaned(self | W | D), W | D);
}

TEST(Word, EveryStepEndsInAWordThatTheKernelUnderstands) {
  for (const uint32_t flags : every_flag) {
    for (const uint32_t next : {taken_by_barger(flags, self), taken_by_head(flags, self)}) {
      EXPECT_EQ(tid(next), self);
      EXPECT_TRUE(is_free(released(next)));
      EXPECT_TRUE(is_free(orphaned(next)));
      EXPECT_NE(orphaned(next) & D, 0u);
    }
  }
}

}  // namespace
}  // namespace shmutex::word
