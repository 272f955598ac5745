// The tables of scenarios become GoogleTest tests.
#pragma once

#include <gtest/gtest.h>

#include "runner.h"

namespace crash {

class EveryInstruction : public testing::TestWithParam<Scenario> {};

inline std::string test_name(const testing::TestParamInfo<Scenario>& info) { return name_of(info.param); }

// Of all scenarios that this program has run; printed at its end.
Tally& total();
void add(const Tally& tally);

// SHMUTEX_CRASH_SECONDS in the environment: kill at every instruction, libc's and each turn of a loop too, or at as
// many as can be tried in that time, which is divided among the program's scenarios.
Thoroughness thoroughness();

}  // namespace crash
