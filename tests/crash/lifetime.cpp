// How locks come into being and end: files and their names, memory and its initialisation.
#include "every_instruction.h"

namespace crash {
namespace {

using enum Operation;
using enum Ground;

using support::in_buffer;
using support::plain;
constexpr Start nowhere = Start::nowhere;

// `behind` are openers that come while the victim is at it.
const Scenario files[] = {
    {.operation = open, .start = nowhere},
    {.operation = open, .start = nowhere, .behind = 2},
    {.operation = open, .start = nowhere, .others = true},
    {.operation = open, .start = nowhere, .kind = support::fair},
    {.operation = open, .start = nowhere, .ground = existing, .behind = 1},
    {.operation = open, .start = nowhere, .ground = stale},
    {.operation = open, .start = nowhere, .ground = stale, .behind = 2},
    {.operation = open, .start = nowhere, .kind = support::fair, .ground = existing, .behind = 1},
    {.operation = open, .start = nowhere, .kind = support::recursive, .ground = stale},
    {.operation = close},
    {.operation = close, .kind = support::fair_recursive},
    {.operation = close, .others = true},
    {.operation = remove},
    {.operation = remove, .start = nowhere, .ground = existing},
    {.operation = remove, .start = nowhere, .ground = owner_died},
    {.operation = remove, .behind = 2},
    {.operation = remove, .behind = 1, .others = true},
    {.operation = remove, .kind = support::fair, .behind = 1},
    {.operation = remove, .kind = support::recursive, .behind = 1},
};

const Scenario memory[] = {
    {.operation = initialise, .start = nowhere, .kind = in_buffer(plain)},
    {.operation = initialise, .start = nowhere, .kind = in_buffer(plain), .ground = owner_died},
    {.operation = open, .start = nowhere, .kind = in_buffer(plain)},
    {.operation = open, .start = nowhere, .kind = in_buffer(plain), .behind = 2},
    {.operation = open, .start = nowhere, .kind = in_buffer(plain), .ground = existing, .behind = 1},
    {.operation = close, .kind = in_buffer(plain)},
    {.operation = remove, .kind = in_buffer(plain)},
    {.operation = remove, .kind = in_buffer(plain), .behind = 2},
    {.operation = initialise, .start = nowhere, .kind = in_buffer(support::fair)},
    {.operation = open, .start = nowhere, .kind = in_buffer(support::fair), .behind = 1},
    {.operation = open, .start = nowhere, .kind = in_buffer(support::recursive)},
    {.operation = remove, .kind = in_buffer(support::fair_recursive), .behind = 1},
};

INSTANTIATE_TEST_SUITE_P(files, EveryInstruction, testing::ValuesIn(files), test_name);
INSTANTIATE_TEST_SUITE_P(memory, EveryInstruction, testing::ValuesIn(memory), test_name);

}  // namespace
}  // namespace crash
