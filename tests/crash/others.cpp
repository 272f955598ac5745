// Recursive and fair locks in files, and all kinds in memory that the processes brought.
#include "every_instruction.h"

namespace crash {
namespace {

using enum Operation;
using enum Start;
using enum Ground;

using support::fair;
using support::fair_recursive;
using support::in_buffer;
using support::plain;
using support::recursive;

const Scenario recursive_locks[] = {
    {.operation = lock, .kind = recursive},
    {.operation = lock, .start = inside, .kind = recursive},  // once more
    {.operation = lock, .start = inside, .kind = recursive, .behind = 2},
    {.operation = lock, .start = inside, .kind = recursive, .ground = owner_died, .behind = 1},
    {.operation = unlock, .start = inside_twice, .kind = recursive},  // in part
    {.operation = unlock, .start = inside_twice, .kind = recursive, .behind = 2, .others = true},
    {.operation = unlock, .start = inside, .kind = recursive, .behind = 2},
    {.operation = unlock, .start = inside, .kind = recursive, .behind = 2, .barger = true},
    {.operation = lock, .kind = recursive, .ahead = 1, .behind = 1},
    {.operation = lock, .kind = recursive, .ahead = 1, .behind = 1, .barger = true},
    {.operation = lock, .kind = recursive, .ahead = 1, .ahead_dies = true, .behind = 1},
    {.operation = lock, .kind = recursive, .ahead = 2, .behind = 1},
    {.operation = lock, .kind = recursive, .ahead = 2, .behind = 1, .barger = true},
    {.operation = lock, .kind = recursive, .ground = owner_died, .behind = 1},
    {.operation = trylock, .kind = recursive, .behind = 1},
    {.operation = trylock, .start = inside, .kind = recursive, .behind = 1},
    {.operation = timedlock, .kind = recursive, .ahead = 1, .behind = 1},
    {.operation = timedlock, .start = inside, .kind = recursive, .behind = 1},
    {.operation = time_out, .kind = recursive, .ahead = 1, .behind = 1},
    {.operation = time_out, .kind = recursive, .ahead = 2, .behind = 1},
    {.operation = consistent, .start = inside, .kind = recursive, .ground = owner_died, .behind = 1},
    {.operation = poison, .start = inside_twice, .kind = recursive, .behind = 1},
};

const Scenario fair_locks[] = {
    {.operation = lock, .kind = fair},
    {.operation = trylock, .kind = fair},
    {.operation = timedlock, .kind = fair},
    {.operation = lock, .kind = fair, .ground = owner_died},
    {.operation = trylock, .kind = fair, .ground = owner_died},
    {.operation = lock, .kind = fair, .behind = 2},
    {.operation = lock, .kind = fair, .behind = 2, .barger = true},
    {.operation = unlock, .start = inside, .kind = fair},
    {.operation = unlock, .start = inside, .kind = fair, .barger = true},
    {.operation = unlock, .start = inside, .kind = fair, .behind = 1},
    {.operation = unlock, .start = inside, .kind = fair, .behind = 3},
    {.operation = unlock, .start = inside, .kind = fair, .behind = 2, .others = true},
    {.operation = unlock, .start = inside, .kind = fair, .ground = owner_died},
    {.operation = unlock, .start = inside, .kind = fair, .ground = owner_died, .behind = 2},
    {.operation = consistent, .start = inside, .kind = fair, .ground = owner_died, .behind = 1},
    {.operation = poison, .start = inside, .kind = fair, .behind = 2},
    {.operation = lock, .kind = fair, .ahead = 1},
    {.operation = lock, .kind = fair, .ahead = 1, .behind = 2},
    // No barger: a fair lock that has waiters is handed over, and never free.
    {.operation = lock, .kind = fair, .ahead = 1, .ahead_dies = true, .behind = 1},
    {.operation = lock, .kind = fair, .ahead = 2, .behind = 1},
    {.operation = trylock, .kind = fair, .ahead = 1},
    {.operation = timedlock, .kind = fair, .ahead = 1, .behind = 1},
    {.operation = time_out, .kind = fair, .ahead = 1, .behind = 1},
    {.operation = time_out, .kind = fair, .ahead = 2, .behind = 1},
};

const Scenario recursive_fair_locks[] = {
    {.operation = lock, .kind = fair_recursive, .behind = 1},
    {.operation = lock, .start = inside, .kind = fair_recursive, .behind = 1},
    {.operation = unlock, .start = inside_twice, .kind = fair_recursive, .behind = 1},
    {.operation = unlock, .start = inside, .kind = fair_recursive, .behind = 2},
    {.operation = consistent, .start = inside, .kind = fair_recursive, .ground = owner_died, .behind = 1},
    {.operation = lock, .kind = fair_recursive, .ahead = 1, .behind = 1},
    {.operation = time_out, .kind = fair_recursive, .ahead = 1, .behind = 1},
};

const Scenario buffers[] = {
    {.operation = lock, .kind = in_buffer(plain)},
    {.operation = lock, .kind = in_buffer(plain), .behind = 2},
    {.operation = lock, .kind = in_buffer(plain), .ground = owner_died, .behind = 1},
    {.operation = unlock, .start = inside, .kind = in_buffer(plain), .behind = 2},
    {.operation = unlock, .start = inside, .kind = in_buffer(plain), .behind = 2, .barger = true},
    {.operation = consistent, .start = inside, .kind = in_buffer(plain), .ground = owner_died},
    {.operation = poison, .start = inside, .kind = in_buffer(plain), .behind = 1},
    {.operation = lock, .kind = in_buffer(plain), .ahead = 1},
    {.operation = lock, .kind = in_buffer(plain), .ahead = 1, .behind = 1},
    {.operation = lock, .kind = in_buffer(plain), .ahead = 1, .behind = 1, .barger = true},
    {.operation = lock, .kind = in_buffer(plain), .ahead = 1, .behind = 1, .others = true},
    {.operation = lock, .kind = in_buffer(plain), .ahead = 1, .ahead_dies = true, .behind = 1},
    {.operation = lock, .kind = in_buffer(plain), .ahead = 2, .behind = 1},
    {.operation = lock, .kind = in_buffer(plain), .ahead = 2, .behind = 1, .barger = true},
    {.operation = trylock, .kind = in_buffer(plain), .behind = 1},
    {.operation = timedlock, .kind = in_buffer(plain), .ahead = 1, .behind = 1},
    {.operation = time_out, .kind = in_buffer(plain), .ahead = 1, .behind = 1},
    {.operation = time_out, .kind = in_buffer(plain), .ahead = 2, .behind = 1},
    {.operation = lock, .start = inside, .kind = in_buffer(recursive), .behind = 1},
    {.operation = unlock, .start = inside_twice, .kind = in_buffer(recursive), .behind = 1},
    {.operation = unlock, .start = inside, .kind = in_buffer(fair), .behind = 2},
    {.operation = consistent, .start = inside, .kind = in_buffer(recursive), .ground = owner_died, .behind = 1},
    {.operation = lock, .kind = in_buffer(fair), .behind = 1},
    {.operation = lock, .kind = in_buffer(fair), .ahead = 1, .behind = 1},
    {.operation = time_out, .kind = in_buffer(fair), .ahead = 1, .behind = 1},
    {.operation = consistent, .start = inside, .kind = in_buffer(fair), .ground = owner_died, .behind = 1},
    {.operation = poison, .start = inside, .kind = in_buffer(fair), .behind = 1},
    {.operation = unlock, .start = inside_twice, .kind = in_buffer(fair_recursive), .behind = 1},
};

INSTANTIATE_TEST_SUITE_P(recursive_locks, EveryInstruction, testing::ValuesIn(recursive_locks), test_name);
INSTANTIATE_TEST_SUITE_P(fair_locks, EveryInstruction, testing::ValuesIn(fair_locks), test_name);
INSTANTIATE_TEST_SUITE_P(recursive_fair_locks, EveryInstruction, testing::ValuesIn(recursive_fair_locks), test_name);
INSTANTIATE_TEST_SUITE_P(buffers, EveryInstruction, testing::ValuesIn(buffers), test_name);

}  // namespace
}  // namespace crash
