// How locks come into being and end: files and their names, memory and its initialisation.
#include "every_instruction.h"

namespace crash {
namespace {

using enum Operation;
using enum Ground;

constexpr Place buffer = Place::buffer;
constexpr Start nowhere = Start::nowhere;

// `behind` are openers that come while the victim is at it.
const Scenario files[] = {
    {.operation = open, .start = nowhere},
    {.operation = open, .start = nowhere, .behind = 2},
    {.operation = open, .start = nowhere, .others = true},
    {.operation = open, .start = nowhere, .kind = Kind::fair},
    {.operation = open, .start = nowhere, .ground = existing, .behind = 1},
    {.operation = open, .start = nowhere, .ground = stale},
    {.operation = open, .start = nowhere, .ground = stale, .behind = 2},
    {.operation = open, .start = nowhere, .kind = Kind::fair, .ground = existing, .behind = 1},
    {.operation = open, .start = nowhere, .kind = Kind::recursive, .ground = stale},
    {.operation = close},
    {.operation = close, .kind = Kind::recursive_fair},
    {.operation = close, .others = true},
    {.operation = remove},
    {.operation = remove, .start = nowhere, .ground = existing},
    {.operation = remove, .start = nowhere, .ground = owner_died},
    {.operation = remove, .behind = 2},
    {.operation = remove, .behind = 1, .others = true},
    {.operation = remove, .kind = Kind::fair, .behind = 1},
    {.operation = remove, .kind = Kind::recursive, .behind = 1},
};

const Scenario memory[] = {
    {.operation = initialise, .start = nowhere, .place = buffer},
    {.operation = initialise, .start = nowhere, .place = buffer, .ground = owner_died},
    {.operation = open, .start = nowhere, .place = buffer},
    {.operation = open, .start = nowhere, .place = buffer, .behind = 2},
    {.operation = open, .start = nowhere, .place = buffer, .ground = existing, .behind = 1},
    {.operation = close, .place = buffer},
    {.operation = remove, .place = buffer},
    {.operation = remove, .place = buffer, .behind = 2},
    {.operation = initialise, .start = nowhere, .kind = Kind::fair, .place = buffer},
    {.operation = open, .start = nowhere, .kind = Kind::fair, .place = buffer, .behind = 1},
    {.operation = open, .start = nowhere, .kind = Kind::recursive, .place = buffer},
    {.operation = remove, .kind = Kind::recursive_fair, .place = buffer, .behind = 1},
};

INSTANTIATE_TEST_SUITE_P(files, EveryInstruction, testing::ValuesIn(files), test_name);
INSTANTIATE_TEST_SUITE_P(memory, EveryInstruction, testing::ValuesIn(memory), test_name);

}  // namespace
}  // namespace crash
