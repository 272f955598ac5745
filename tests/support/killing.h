// Kills in exact places.
#pragma once

#include <functional>

namespace support {

// Runs prepare(), then body(), in a forked child and kills it with SIGKILL at the n-th stop in body(), counted from 1:
// each system call has two, at its entry and at its exit. False: body() came to its end before that, and returned 0.
// Anything else throws.
bool killed_at_system_call(int n, const std::function<void()>& prepare, const std::function<void()>& body);

// The same, at the n-th instruction of body().
bool killed_at_instruction(int n, const std::function<void()>& prepare, const std::function<void()>& body);

}  // namespace support
