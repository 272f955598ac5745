// The probe of dead owners: what it takes the word from, and what it leaves alone.
#include "sync/owner_probe.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>

#include "mutex/layout.h"
#include "os/robust_word.h"

namespace shmutex {
namespace {

uint32_t dead_tid() {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return static_cast<uint32_t>(child);
}

TEST(OwnerProbe, MarksADeadOwnerAndKeepsTheWaitersBit) {
  SharedLine line{};
  line.word = dead_tid() | word::waiters;
  EXPECT_TRUE(mark_if_dead(line.word));
  EXPECT_EQ(line.word, word::waiters | word::owner_died);
  EXPECT_EQ(line.marks, one_mark);
}

TEST(OwnerProbe, LeavesALivingOwnerAlone) {
  SharedLine line{};
  line.word = static_cast<uint32_t>(getpid());
  EXPECT_FALSE(mark_if_dead(line.word));
  EXPECT_EQ(line.word, static_cast<uint32_t>(getpid()));
  EXPECT_EQ(line.marks, 0u);
}

TEST(OwnerProbe, AFreeWordIsFree) {
  SharedLine line{};
  line.word = word::owner_died;
  EXPECT_TRUE(mark_if_dead(line.word));
  EXPECT_EQ(line.marks, 0u);
}

// Two probers find the same owner dead. The first marks; a new owner with the same TID comes, and is given the very
// word that the second has seen. The second, stopped meanwhile, must not mark it.
void second_prober_is_late(uint32_t& word, uint32_t seen, uint32_t left) {
  word = seen;
  DeadOwner first{};
  DeadOwner second{};
  ASSERT_TRUE(find_dead_owner(word, first));
  ASSERT_TRUE(find_dead_owner(word, second));
  EXPECT_TRUE(take_from_dead_owner(word, first, left));
  EXPECT_EQ(word, left);
  word = seen;
  EXPECT_FALSE(take_from_dead_owner(word, second, left));
  EXPECT_EQ(word, seen);
}

TEST(OwnerProbe, ANewOwnerWithTheDeadOnesTidIsNotMarked) {
  SharedLine line{};
  const uint32_t tid = dead_tid();
  second_prober_is_late(line.word, tid, word::owner_died);
  second_prober_is_late(line.word, tid | word::owner_died | word::waiters, word::owner_died | word::waiters);
}

TEST(OwnerProbe, NorDoesItLoseTheBaton) {
  SharedLine line{};
  second_prober_is_late(line.baton, dead_tid() | word::waiters, 0);
}

TEST(OwnerProbe, MarksLeaveTheStatesFlagsAlone) {
  SharedLine line{};
  line.state = state::flags;
  line.baton = dead_tid() | word::waiters;
  DeadOwner holder{};
  ASSERT_TRUE(find_dead_owner(line.baton, holder));
  ASSERT_TRUE(take_from_dead_owner(line.baton, holder, 0));
  EXPECT_EQ(line.state & state::flags, state::flags);
  EXPECT_EQ(line.state & ~state::flags, one_mark);
  EXPECT_EQ(line.baton, 0u);
}

}  // namespace
}  // namespace shmutex
