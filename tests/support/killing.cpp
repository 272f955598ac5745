#include "support/killing.h"

#include <signal.h>
#include <sys/wait.h>

#include <stdexcept>

#include "support/ptrace.h"

namespace support {
namespace {

// `go_on` leads to the next stop.
bool killed_at(int n, void (*go_on)(pid_t), const std::function<void()>& prepare, const std::function<void()>& body) {
  const pid_t pid = fork_traced(prepare, [&] {
    body();
    return 0;
  });
  int status = 0;
  for (int stop = 0; stop < n; ++stop) {
    go_on(pid);
    status = wait_for_stop(pid);
    if (WIFSTOPPED(status)) continue;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) throw std::runtime_error("the child did not come to its end");
    return false;
  }
  kill(pid, SIGKILL);
  wait_for_end(pid);
  return true;
}

}  // namespace

bool killed_at_system_call(int n, const std::function<void()>& prepare, const std::function<void()>& body) {
  return killed_at(n, resume_to_system_call, prepare, body);
}

bool killed_at_instruction(int n, const std::function<void()>& prepare, const std::function<void()>& body) {
  return killed_at(n, step, prepare, body);
}

}  // namespace support
