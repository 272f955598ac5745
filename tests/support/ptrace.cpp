#include "support/ptrace.h"

#include <elf.h>
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>
#include <system_error>

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

namespace support {
namespace {

#if defined(__x86_64__)
uint64_t operation_of(const user_regs_struct& r) { return r.rsi; }
void clear_timeout(user_regs_struct& r) { r.r10 = 0; }
constexpr unsigned char system_call_instruction[] = {0x0f, 0x05};
constexpr unsigned char breakpoint_instruction[] = {0xcc};  // the program counter is behind it when it traps
#elif defined(__aarch64__)
uint64_t operation_of(const user_regs_struct& r) { return r.regs[1]; }
void clear_timeout(user_regs_struct& r) { r.regs[3] = 0; }
constexpr unsigned char system_call_instruction[] = {0x01, 0x00, 0x00, 0xd4};
constexpr unsigned char breakpoint_instruction[] = {0x00, 0x00, 0x20, 0xd4};
#else
#error "the register access is written for x86-64 and aarch64"
#endif

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

// glibc's wrapper gives each request a type of its own; the kernel's call has numbers and addresses.
long trace(long request, const char* name, pid_t pid, uintptr_t address = 0, uintptr_t data = 0) {
  const long result = syscall(SYS_ptrace, request, pid, address, data);
  if (result < 0) fail(name);
  return result;
}
#define TRACE(request, ...) trace(request, #request, __VA_ARGS__)

uintptr_t number(const void* address) { return reinterpret_cast<uintptr_t>(address); }

user_regs_struct registers(pid_t pid) {
  user_regs_struct found{};
  iovec vector{&found, sizeof found};
  TRACE(PTRACE_GETREGSET, pid, NT_PRSTATUS, number(&vector));
  return found;
}

}  // namespace

pid_t fork_traced(const std::function<void()>& prepare, const std::function<int()>& body) {
  fflush(nullptr);
  const pid_t pid = fork();
  if (pid < 0) fail("fork");
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0) != 0) _exit(2);
    prepare();
    raise(SIGSTOP);
    _exit(body());
  }
  if (!WIFSTOPPED(wait_for_stop(pid))) throw std::runtime_error("a traced child ended too early");
  TRACE(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  return pid;
}

void seize(pid_t pid) { TRACE(PTRACE_SEIZE, pid, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP); }

void step(pid_t pid) { TRACE(PTRACE_SINGLESTEP, pid); }

void resume(pid_t pid, int signal) { TRACE(PTRACE_CONT, pid, 0, static_cast<uintptr_t>(signal)); }

void resume_to_system_call(pid_t pid) { TRACE(PTRACE_SYSCALL, pid); }

void detach(pid_t pid, int signal) { TRACE(PTRACE_DETACH, pid, 0, static_cast<uintptr_t>(signal)); }

int wait_for_stop(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, __WALL) < 0) {
    if (errno != EINTR) fail("waitpid");
  }
  return status;
}

int wait_for_end(pid_t pid) {
  int status = wait_for_stop(pid);
  while (WIFSTOPPED(status)) status = wait_for_stop(pid);
  return status;
}

bool is_signal_stop(int status, int signal) {
  return WIFSTOPPED(status) && status >> 16 == 0 && WSTOPSIG(status) == signal;
}

bool is_filter_stop(int status) { return WIFSTOPPED(status) && status >> 16 == PTRACE_EVENT_SECCOMP; }

bool is_system_call_stop(int status) { return is_signal_stop(status, SIGTRAP | 0x80); }

SystemCall system_call_of(pid_t pid) {
  __ptrace_syscall_info info{};
  TRACE(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, number(&info));
  SystemCall found{};
  found.entry = info.op == PTRACE_SYSCALL_INFO_ENTRY;
  if (found.entry) {
    found.number = info.entry.nr;
    memcpy(found.arguments, info.entry.args, sizeof found.arguments);
  } else {
    found.result = info.exit.rval;
  }
  return found;
}

bool is_futex_wait(uint64_t operation) {
  const auto command = static_cast<int>(operation) & FUTEX_CMD_MASK;
  return command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET || command == FUTEX_LOCK_PI || command == FUTEX_LOCK_PI2;
}

void make_wait_endless(pid_t pid) {
  user_regs_struct changed = registers(pid);
  if ((operation_of(changed) & static_cast<uint64_t>(FUTEX_CMD_MASK)) != FUTEX_WAIT_BITSET) return;
  clear_timeout(changed);
  iovec vector{&changed, sizeof changed};
  TRACE(PTRACE_SETREGSET, pid, NT_PRSTATUS, number(&vector));
}

uint64_t program_counter(pid_t pid) {
#if defined(__x86_64__)
  uint64_t pc = 0;  // the kernel's call writes it there
  TRACE(PTRACE_PEEKUSER, pid, offsetof(user_regs_struct, rip), number(&pc));
  return pc;
#else
  return registers(pid).pc;
#endif
}

void Breakpoint::set() {
  uint64_t word = 0;  // the kernel's call writes it there
  TRACE(PTRACE_PEEKTEXT, pid_, address_, number(&word));
  memcpy(&original_, &word, sizeof original_);
  memcpy(&word, breakpoint_instruction, sizeof breakpoint_instruction);
  TRACE(PTRACE_POKETEXT, pid_, address_, word);
  set_ = true;
}

void Breakpoint::clear() {
  TRACE(PTRACE_POKETEXT, pid_, address_, static_cast<uintptr_t>(original_));
  set_ = false;
}

void Breakpoint::step_back([[maybe_unused]] pid_t pid) {
#if defined(__x86_64__)
  TRACE(PTRACE_POKEUSER, pid, offsetof(user_regs_struct, rip), program_counter(pid) - sizeof breakpoint_instruction);
#endif
}

bool is_system_call(uint64_t pc) {
  return memcmp(reinterpret_cast<const void*>(pc), system_call_instruction, sizeof system_call_instruction) == 0;
}

}  // namespace support
