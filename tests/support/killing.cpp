#include "support/killing.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>

namespace support {
namespace {

int wait_for_stop(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, __WALL) < 0) {
    if (errno != EINTR) throw std::runtime_error("waitpid failed");
  }
  return status;
}

// `request` is how to go on to the next stop.
bool killed_at(int n, decltype(PTRACE_CONT) request, const std::function<void()>& prepare,
               const std::function<void()>& body) {
  fflush(nullptr);
  const pid_t pid = fork();
  if (pid < 0) throw std::runtime_error("fork failed");
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(2);
    prepare();
    raise(SIGSTOP);
    body();
    _exit(0);
  }
  int status = wait_for_stop(pid);
  for (int stop = 0; WIFSTOPPED(status); ++stop) {
    if (stop == n) {
      kill(pid, SIGKILL);
      while (WIFSTOPPED(status)) status = wait_for_stop(pid);
      return true;
    }
    ptrace(request, pid, nullptr, nullptr);
    status = wait_for_stop(pid);
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) throw std::runtime_error("the child did not come to its end");
  return false;
}

}  // namespace

bool killed_at_system_call(int n, const std::function<void()>& prepare, const std::function<void()>& body) {
  return killed_at(n, PTRACE_SYSCALL, prepare, body);
}

bool killed_at_instruction(int n, const std::function<void()>& prepare, const std::function<void()>& body) {
  return killed_at(n, PTRACE_SINGLESTEP, prepare, body);
}

bool forbid_unnamed_files() {
  constexpr auto flags_argument = static_cast<uint32_t>(offsetof(seccomp_data, args[2]));
  constexpr uint32_t unnamed = O_TMPFILE & ~O_DIRECTORY;
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, flags_argument),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, unnamed, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{sizeof filter / sizeof filter[0], filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

}  // namespace support
