// Kills in exact places, and system calls that fail on demand.
#pragma once

#include <functional>
#include <string>

namespace support {

// Runs prepare(), then body(), in a forked child and kills it with SIGKILL at the n-th stop in body(), counted from 1:
// each system call has two, at its entry and at its exit. False: body() came to its end before that, and returned 0.
// Anything else throws.
bool killed_at_system_call(int n, const std::function<void()>& prepare, const std::function<void()>& body);

// The same, at the n-th instruction of body().
bool killed_at_instruction(int n, const std::function<void()>& prepare, const std::function<void()>& body);

// From here on, in this process, openat(2) with O_TMPFILE fails with EOPNOTSUPP, as on file systems that know none.
bool forbid_unnamed_files();

}  // namespace support
