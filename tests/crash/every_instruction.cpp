#include "every_instruction.h"

#include <stdio.h>
#include <stdlib.h>

namespace crash {
namespace {

class Figures : public testing::Environment {
 public:
  void TearDown() override {
    printf("kills %lu, kill points %lu, stuck %lu, wrong %lu\n", total().kills, total().points, total().stuck,
           total().wrong);
  }
};

[[maybe_unused]] const testing::Environment* const figures = testing::AddGlobalTestEnvironment(new Figures);

}  // namespace

Tally& total() {
  static Tally tally;
  return tally;
}

Thoroughness thoroughness() { return {getenv("SHMUTEX_CRASH_FULL") != nullptr}; }

TEST_P(EveryInstruction, leaves_the_others_well) {
  const Tally tally = run(GetParam(), thoroughness());
  for (const std::string& finding : tally.findings) ADD_FAILURE() << finding;
  EXPECT_EQ(tally.stuck, 0u);
  EXPECT_EQ(tally.wrong, 0u);
  EXPECT_GT(tally.kills, 0u);
  printf("  kills %lu, kill points %lu\n", tally.kills, tally.points);
  RecordProperty("kills", static_cast<int>(tally.kills));
  total().points += tally.points;
  total().kills += tally.kills;
  total().stuck += tally.stuck;
  total().wrong += tally.wrong;
}
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(EveryInstruction);

}  // namespace crash
