// The same with glibc's robust mutex: where it gets stuck, ours must not. It shows, too, that these tests can fail.
#include <stdio.h>

#include "every_instruction.h"

namespace crash {
namespace {

using enum Operation;
using enum Start;

Tally report(const Scenario& scenario) {
  const Tally glibc = run(scenario, thoroughness());
  Scenario same = scenario;
  same.glibc = false;
  const Tally ours = run(same, thoroughness());
  printf("  %-60s glibc: kills %lu, stuck %lu, wrong %lu; ours: kills %lu, stuck %lu, wrong %lu\n",
         name_of(scenario).c_str(), glibc.kills, glibc.stuck, glibc.wrong, ours.kills, ours.stuck, ours.wrong);
  if (!glibc.findings.empty()) printf("    for example: %s\n", glibc.findings.front().c_str());
  add(ours);
  for (const std::string& finding : ours.findings) ADD_FAILURE() << finding;
  EXPECT_EQ(ours.stuck + ours.wrong, 0u);
  return glibc;
}

TEST(Baseline, glibc_without_a_barger_is_well) {
  EXPECT_EQ(report({.operation = lock, .glibc = true}).stuck, 0u);
  EXPECT_EQ(report({.operation = lock, .glibc = true, .ahead = 1, .behind = 1}).stuck, 0u);
}

TEST(Baseline, glibc_is_stuck_when_a_woken_waiter_dies_and_somebody_was_faster) {
  EXPECT_GT(report({.operation = lock, .glibc = true, .ahead = 1, .behind = 1, .barger = true}).stuck, 0u);
}

TEST(Baseline, glibc_is_stuck_when_the_second_in_line_dies_woken_and_somebody_was_faster) {
  EXPECT_GT(report({.operation = lock, .glibc = true, .ahead = 2, .behind = 1, .barger = true}).stuck, 0u);
}

TEST(Baseline, glibc_is_stuck_when_an_unlocker_dies_before_its_wake_and_somebody_was_faster) {
  EXPECT_GT(report({.operation = unlock, .start = inside, .glibc = true, .behind = 1, .barger = true}).stuck, 0u);
}

}  // namespace
}  // namespace crash
