#include "every_instruction.h"

#include <stdio.h>
#include <stdlib.h>

#include <algorithm>

#include "support/support.h"

namespace crash {
namespace {

class Figures : public testing::Environment {
 public:
  void TearDown() override {
    printf("kills %lu, kill points %lu, stuck %lu, wrong %lu\n", total().kills, total().of_points, total().stuck,
           total().wrong);
  }
};

[[maybe_unused]] const testing::Environment* const figures = testing::AddGlobalTestEnvironment(new Figures);

}  // namespace

Tally& total() {
  static Tally tally;
  return tally;
}

void add(const Tally& tally) {
  total().points += tally.points;
  total().of_points += tally.of_points;
  total().kills += tally.kills;
  total().stuck += tally.stuck;
  total().wrong += tally.wrong;
}

// What one scenario leaves of its share is for the others.
Thoroughness thoroughness() {
  static const char* const seconds = getenv("SHMUTEX_CRASH_SECONDS");
  if (seconds == nullptr) return {};
  static const int64_t end = support::now_ns() + atol(seconds) * support::second;
  static int left = testing::UnitTest::GetInstance()->test_to_run_count();
  return {true, (end - support::now_ns()) / std::max(left--, 1)};
}

TEST_P(EveryInstruction, leaves_the_others_well) {
  const Tally tally = run(GetParam(), thoroughness());
  for (const std::string& finding : tally.findings) ADD_FAILURE() << finding;
  EXPECT_EQ(tally.stuck, 0u);
  EXPECT_EQ(tally.wrong, 0u);
  EXPECT_GT(tally.kills, 0u);
  printf("  killed %lu times, at %lu of %lu points, %lu different instructions\n", tally.kills,
         std::min(tally.kills, tally.of_points), tally.of_points, tally.points);
  RecordProperty("kills", static_cast<int>(tally.kills));
  add(tally);
}
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(EveryInstruction);

}  // namespace crash
