// Deadlines: never, now, and beyond the end of the clock.
#include <gtest/gtest.h>

#include "os/clock.h"

namespace shmutex {
namespace {

TEST(Deadline, NegativeIsNever) {
  for (const int64_t timeout : {int64_t{-1}, -second, INT64_MIN}) {
    EXPECT_TRUE(Deadline::after(timeout).never());
    EXPECT_FALSE(Deadline::after(timeout).passed(now_ns()));
  }
}

TEST(Deadline, ZeroHasPassed) { EXPECT_TRUE(Deadline::after(0).passed(now_ns())); }

TEST(Deadline, LiesThatFarAhead) {
  const int64_t before = now_ns();
  const Deadline deadline = Deadline::after(5 * second);
  const int64_t after = now_ns();
  EXPECT_GE(deadline.ns(), before + 5 * second);
  EXPECT_LE(deadline.ns(), after + 5 * second);
  EXPECT_FALSE(deadline.passed(deadline.ns() - 1));
  EXPECT_TRUE(deadline.passed(deadline.ns()));
}

TEST(Deadline, BeyondTheEndOfTheClockIsNever) {
  EXPECT_TRUE(Deadline::after(INT64_MAX).never());
  EXPECT_TRUE(Deadline::after(INT64_MAX - 1).never());
}

TEST(Deadline, IsNeverLaterThanTheEarlierOfTwo) {
  const Deadline deadline = Deadline::after(second);
  EXPECT_EQ(deadline.earlier_of(5), 5);
  EXPECT_EQ(deadline.earlier_of(INT64_MAX), deadline.ns());
  EXPECT_EQ(Deadline::after(-1).earlier_of(7), 7);
}

TEST(Timespec, IsTakenApart) {
  EXPECT_EQ(to_timespec(0).tv_sec, 0);
  EXPECT_EQ(to_timespec(3 * second + 17).tv_sec, 3);
  EXPECT_EQ(to_timespec(3 * second + 17).tv_nsec, 17);
  EXPECT_EQ(to_timespec(INT64_MAX).tv_nsec, INT64_MAX % second);
}

TEST(SleepUntil, DoesNotReturnEarlyAndNotAtAllForThePast) {
  sleep_until(0);
  const int64_t end = now_ns() + 20 * millisecond;
  sleep_until(end);
  EXPECT_GE(now_ns(), end);
}

}  // namespace
}  // namespace shmutex
