// Plain locks in files: every operation on a lock that may have waiters.
#include "every_instruction.h"

namespace crash {
namespace {

using enum Operation;
using enum Start;
using enum Ground;

const Scenario alone[] = {
    {.operation = lock},
    {.operation = lock, .others = true},
    {.operation = trylock},
    {.operation = timedlock},
    {.operation = lock, .ground = owner_died},
    {.operation = trylock, .ground = owner_died},
    {.operation = unlock, .start = inside},
    {.operation = unlock, .start = inside, .others = true},
    {.operation = unlock, .start = inside, .ground = owner_died},
    {.operation = consistent, .start = inside, .ground = owner_died},
    {.operation = poison, .start = inside},
    {.operation = poison, .start = inside, .ground = owner_died},
};

const Scenario bargers_arrive[] = {
    {.operation = lock, .behind = 1},
    {.operation = lock, .behind = 3},
    {.operation = lock, .behind = 2, .spins = true},
    {.operation = trylock, .behind = 2},
    {.operation = timedlock, .behind = 2},
    {.operation = lock, .ground = owner_died, .behind = 2},
    {.operation = lock, .behind = 2, .barger = true},
};

const Scenario waiters_sleep[] = {
    {.operation = unlock, .start = inside, .behind = 1},
    {.operation = unlock, .start = inside, .behind = 3},
    {.operation = unlock, .start = inside, .behind = 1, .barger = true},
    {.operation = unlock, .start = inside, .behind = 3, .barger = true},
    {.operation = unlock, .start = inside, .behind = 2, .others = true},
    {.operation = unlock, .start = inside, .ground = owner_died, .behind = 2},
    {.operation = unlock, .start = inside, .ground = owner_died, .behind = 2, .barger = true},
    {.operation = consistent, .start = inside, .ground = owner_died, .behind = 2},
    {.operation = poison, .start = inside, .behind = 2},
};

const Scenario somebody_holds[] = {
    {.operation = trylock, .ahead = 1},
    {.operation = trylock, .ahead = 1, .behind = 1},
};

const Scenario victim_is_woken_by_a_death[] = {
    {.operation = lock, .ahead = 1, .ahead_dies = true},
    {.operation = lock, .ahead = 1, .ahead_dies = true, .behind = 2},
    {.operation = lock, .ahead = 1, .ahead_dies = true, .behind = 1, .barger = true},
    {.operation = timedlock, .ahead = 1, .ahead_dies = true, .behind = 1, .others = true},
};

const Scenario victim_is_woken[] = {
    {.operation = lock, .ahead = 1},
    {.operation = lock, .ahead = 1, .behind = 1},
    {.operation = lock, .ahead = 1, .behind = 3},
    {.operation = lock, .ahead = 1, .barger = true},
    {.operation = lock, .ahead = 1, .behind = 1, .barger = true},
    {.operation = lock, .ahead = 1, .behind = 3, .barger = true},
    {.operation = lock, .ahead = 1, .behind = 2, .others = true},
    {.operation = timedlock, .ahead = 1, .behind = 1},
    {.operation = time_out, .ahead = 1},
    {.operation = time_out, .ahead = 1, .behind = 2},
};

const Scenario victim_is_second_in_line[] = {
    {.operation = lock, .ahead = 2},
    {.operation = lock, .ahead = 2, .behind = 1},
    {.operation = lock, .ahead = 2, .behind = 2},
    {.operation = lock, .ahead = 2, .behind = 1, .barger = true},
    {.operation = time_out, .ahead = 2},
    {.operation = time_out, .ahead = 2, .behind = 2},
};

INSTANTIATE_TEST_SUITE_P(alone, EveryInstruction, testing::ValuesIn(alone), test_name);
INSTANTIATE_TEST_SUITE_P(bargers_arrive, EveryInstruction, testing::ValuesIn(bargers_arrive), test_name);
INSTANTIATE_TEST_SUITE_P(waiters_sleep, EveryInstruction, testing::ValuesIn(waiters_sleep), test_name);
INSTANTIATE_TEST_SUITE_P(victim_is_woken, EveryInstruction, testing::ValuesIn(victim_is_woken), test_name);
INSTANTIATE_TEST_SUITE_P(somebody_holds, EveryInstruction, testing::ValuesIn(somebody_holds), test_name);
INSTANTIATE_TEST_SUITE_P(victim_is_woken_by_a_death, EveryInstruction, testing::ValuesIn(victim_is_woken_by_a_death),
                         test_name);
INSTANTIATE_TEST_SUITE_P(victim_is_second_in_line, EveryInstruction, testing::ValuesIn(victim_is_second_in_line),
                         test_name);

}  // namespace
}  // namespace crash
