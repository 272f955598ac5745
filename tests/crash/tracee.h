// A process under ptrace(2), one machine instruction at a time; x86-64 and aarch64.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace crash {

// In the process to be traced: from now on every futex wait stops for the tracer (seccomp(2), SECCOMP_RET_TRACE), which
// must have seized the process before.
void stop_before_futex_waits();

// Attaches without stopping; the process dies with its tracer.
void seize(pid_t pid);

void step(pid_t pid);  // one instruction; a system call counts as one, waits included
void resume(pid_t pid, int signal = 0);

uint64_t program_counter(pid_t pid);

// The process has just stopped before a futex wait: takes its time-out away. The library's sleeps are bounded, as a
// backstop; without the bound only a wake ends them, and a wake-up that is lost shows for certain, whatever the time.
void make_wait_endless(pid_t pid);

// Whether the instruction at this address is a system call. (Processes forked from the tracer have its code.)
bool is_system_call(uint64_t pc);

// A number over all that the kernel would find in the process's robust list, if it died now.
uint64_t fingerprint_of_robust_list(pid_t pid);

// What waitpid() said.
bool is_signal_stop(int status, int signal);
bool is_before_futex_wait(int status);

// Where in the program or one of its libraries: file+offset, with function and line where addr2line(1) knows them.
std::string describe(uint64_t pc);

// Whether an address lies in the code of the library under test.
bool in_library(uint64_t pc);

// /proc: blocked in any system call; blocked in a futex call; how often it gave up the processor by itself.
bool is_blocked(pid_t pid);
bool is_blocked_in_futex(pid_t pid);
long switches(pid_t pid);

}  // namespace crash
