#include "support/tracee.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>

#include "support/support.h"

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

namespace support {
namespace {

long trace(unsigned request, pid_t pid, uintptr_t address, uintptr_t data) {
  return syscall(SYS_ptrace, static_cast<long>(request), pid, address, data);
}

bool may_sleep(const __ptrace_syscall_info& info) {
  if (info.entry.nr != SYS_futex) return false;
  const auto command = static_cast<int>(info.entry.args[1]) & FUTEX_CMD_MASK;
  return command == FUTEX_WAIT_BITSET || command == FUTEX_WAIT || command == FUTEX_LOCK_PI || command == FUTEX_LOCK_PI2;
}

}  // namespace

Tracee::Tracee(const std::function<int()>& body) {
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    trace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    _exit(body());
  }
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  constexpr uintptr_t options = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
  if (pid_ < 0 || !WIFSTOPPED(status) || trace(PTRACE_SETOPTIONS, pid_, 0, options) != 0) {
    throw std::runtime_error("cannot trace a child");
  }
}

Tracee::~Tracee() {
  if (pid_ > 0) kill();
}

void Tracee::resume() {
  if (trace(PTRACE_SYSCALL, pid_, 0, 0) != 0) throw std::runtime_error("the traced child cannot be resumed");
}

void Tracee::collect_stop() {
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFSTOPPED(status) || WSTOPSIG(status) != (SIGTRAP | 0x80)) {
    throw std::runtime_error("the traced child has ended or got a signal");
  }
  __ptrace_syscall_info info{};
  trace(PTRACE_GET_SYSCALL_INFO, pid_, sizeof info, reinterpret_cast<uintptr_t>(&info));
  if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
    last_ = Stop::entry;
    sleeping_call_ = may_sleep(info);
  } else {
    last_ = Stop::exit;
    result_ = static_cast<long>(info.exit.rval);
  }
}

void Tracee::resume_until_stopped() {
  resume();
  collect_stop();
}

void Tracee::run_until_about_to_sleep() {
  do {
    resume_until_stopped();
  } while (last_ != Stop::entry || !sleeping_call_);
}

void Tracee::run_until_asleep() {
  for (;;) {
    if (last_ != Stop::entry || !sleeping_call_) run_until_about_to_sleep();
    resume();
    char state = 0;
    support::wait_until([&] {
      state = support::thread_state(pid_);
      return state == 'S' || state == 't' || state == 'Z';
    });
    if (state == 'S') return;
    collect_stop();  // the call ended without sleeping, or the sleep was over soon
  }
}

long Tracee::wait_for_end_of_sleep() {
  collect_stop();
  return result_;
}

int Tracee::detach_and_wait(int signal) {
  trace(PTRACE_DETACH, pid_, 0, static_cast<uintptr_t>(signal));
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

void Tracee::kill() {
  ::kill(pid_, SIGKILL);
  int status = 0;
  do {
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
  } while (WIFSTOPPED(status));
  pid_ = -1;
}

}  // namespace support
