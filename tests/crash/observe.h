// What can be seen of a process from outside: its robust list, where its code stands, whether it sleeps.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace crash {

// In the process to be traced: from now on every futex wait stops for the tracer (seccomp(2), SECCOMP_RET_TRACE), which
// must have seized the process before (support/ptrace.h).
void stop_before_futex_waits();

// A number over all that the kernel would find in the process's robust list, if it died now.
uint64_t fingerprint_of_robust_list(pid_t pid);

// Where in the program or one of its libraries: file+offset, with function and line where addr2line(1) knows them.
std::string describe(uint64_t pc);

// Whether an address lies in the code of the library under test.
bool in_library(uint64_t pc);

// /proc: blocked in any system call; blocked in a futex call; how often it gave up the processor by itself.
bool is_blocked(pid_t pid);
bool is_blocked_in_futex(pid_t pid);
long switches(pid_t pid);

}  // namespace crash
