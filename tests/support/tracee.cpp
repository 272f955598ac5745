#include "support/tracee.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <stdexcept>

#include "support/ptrace.h"
#include "support/support.h"

namespace support {

Tracee::Tracee(const std::function<int()>& body) : pid_(fork_traced([] {}, body)) {}

Tracee::~Tracee() {
  if (pid_ > 0) kill();
}

void Tracee::collect_stop() {
  if (!is_system_call_stop(wait_for_stop(pid_))) throw std::runtime_error("the traced child has ended or got a signal");
  const SystemCall call = system_call_of(pid_);
  if (call.entry) {
    last_ = Stop::entry;
    sleeping_call_ = call.number == SYS_futex && is_futex_wait(call.arguments[1]);
  } else {
    last_ = Stop::exit;
    result_ = static_cast<long>(call.result);
  }
}

void Tracee::run_until_about_to_sleep() {
  do {
    resume_to_system_call(pid_);
    collect_stop();
  } while (last_ != Stop::entry || !sleeping_call_);
}

void Tracee::run_until_asleep() {
  for (;;) {
    if (last_ != Stop::entry || !sleeping_call_) run_until_about_to_sleep();
    resume_to_system_call(pid_);
    char state = 0;
    wait_until([&] {
      state = thread_state(pid_);
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
  detach(pid_, signal);
  const int status = wait_for_end(pid_);
  pid_ = -1;
  return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

void Tracee::kill() {
  ::kill(pid_, SIGKILL);
  wait_for_end(pid_);
  pid_ = -1;
}

}  // namespace support
