// The tables of scenarios become GoogleTest tests.
#pragma once

#include <gtest/gtest.h>

#include "runner.h"

namespace crash {

class EveryInstruction : public testing::TestWithParam<Scenario> {};

inline std::string test_name(const testing::TestParamInfo<Scenario>& info) { return name_of(info.param); }

// Of all scenarios that this program has run; printed at its end.
Tally& total();

// SHMUTEX_CRASH_FULL in the environment: kill at every instruction of libc's code, too, and at every turn of every loop.
Thoroughness thoroughness();

}  // namespace crash
