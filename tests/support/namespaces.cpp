#include "support/namespaces.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

namespace support {

bool may_make_namespaces() {
  const pid_t pid = fork();
  if (pid == 0) _exit(unshare(CLONE_NEWNS | CLONE_NEWPID) == 0 ? 0 : 1);
  return wait_for(pid) == 0;
}

bool enter_mount_namespace() {
  return unshare(CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

bool mount_new(const char* type, const std::string& where, const char* options) {
  return mount("shmutex-test", where.c_str(), type, 0, options) == 0;
}

bool mount_over(const std::string& what, const std::string& where) {
  return mount(what.c_str(), where.c_str(), nullptr, MS_BIND, nullptr) == 0;
}

bool fake_boot_id(const std::string& directory) {
  const std::string file = directory + "/boot_id." + std::to_string(getpid());
  std::ofstream(file) << "01234567-89ab-cdef-0123-456789abcdef\n";
  const bool bound = mount_over(file, "/proc/sys/kernel/random/boot_id");
  unlink(file.c_str());
  return bound;
}

bool enter_pid_namespace_with_children() { return unshare(CLONE_NEWPID) == 0; }

pid_t fork_running(const std::function<int()>& body) {
  fflush(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int status = body();
    fflush(nullptr);
    _exit(status);
  }
  return pid;
}

int wait_for(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace support
