// The one place that calls ptrace(2): x86-64 and aarch64. What the kernel refuses is thrown.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>

namespace support {

// Forks a process that is traced from its first instruction, and dies with its tracer. It runs prepare(), stops, and
// goes on with body(), whose result is its exit status. Returns at that stop.
pid_t fork_traced(const std::function<void()>& prepare, const std::function<int()>& body);

// Attaches to a process without stopping it. It dies with its tracer, and stops where a filter says SECCOMP_RET_TRACE.
void seize(pid_t pid);

void step(pid_t pid);  // one instruction; a system call counts as one, waits included
void resume(pid_t pid, int signal = 0);
void resume_to_system_call(pid_t pid);  // stops at its entry, and the next time at its exit
void detach(pid_t pid, int signal = 0);

// The status of its next stop, or of its end.
int wait_for_stop(pid_t pid);
int wait_for_end(pid_t pid);

// What waitpid() said.
bool is_signal_stop(int status, int signal);
bool is_filter_stop(int status);  // SECCOMP_RET_TRACE
bool is_system_call_stop(int status);

struct SystemCall {
  bool entry;
  uint64_t number;  // both at the entry
  uint64_t arguments[6];
  int64_t result;  // at the exit
};
SystemCall system_call_of(pid_t pid);

// Whether a futex(2) operation may put its caller to sleep.
bool is_futex_wait(uint64_t operation);

// The process has stopped at the entry of a futex wait: takes its time-out away.
void make_wait_endless(pid_t pid);

uint64_t program_counter(pid_t pid);

// A breakpoint in the code of a stopped process, which nobody else sees (its pages are private).
class Breakpoint {
 public:
  Breakpoint(pid_t pid, uint64_t address) : pid_(pid), address_(address) {}
  uint64_t address() const { return address_; }
  bool is_set() const { return set_; }
  void set();
  void clear();
  // The process has run into it: puts it back to the instruction, which it has not executed.
  static void step_back(pid_t pid);

 private:
  const pid_t pid_;
  const uint64_t address_;
  long original_ = 0;
  bool set_ = false;
};

// Whether the instruction at this address is a system call. (Processes forked from the tracer have its code.)
bool is_system_call(uint64_t pc);

}  // namespace support
