#include "supervisor.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sstream>
#include <system_error>

#include "observe.h"
#include "support/hang_report.h"
#include "support/ptrace.h"

namespace crash {
namespace {

constexpr int begin_mark = SIGUSR1;
constexpr int end_mark = SIGUSR2;
constexpr int64_t time_allowed = 30 * support::second;

void raise_raw(int signal) { syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), signal); }

// A signal now and then, so that a blocking waitpid() looks at the watchdog.
void start_ticks() {
  static bool started = false;
  if (started) return;
  started = true;
  struct sigaction action {};
  action.sa_handler = [](int) {};
  sigaction(SIGRTMIN, &action, nullptr);
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGRTMIN;
  timer_t timer{};
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) {
    throw std::system_error(errno, std::generic_category(), "timer_create");
  }
  const itimerspec second{{1, 0}, {1, 0}};
  timer_settime(timer, 0, &second, nullptr);
}

void nap() {
  constexpr timespec pause{0, 10'000};
  nanosleep(&pause, nullptr);
}

}  // namespace

void raise_begin_mark() { raise_raw(begin_mark); }
void raise_end_mark() { raise_raw(end_mark); }

Supervisor::Supervisor() {
  start_ticks();
  prctl(PR_SET_TIMERSLACK, 1);
  expect_progress();
}

Supervisor::~Supervisor() { clear(); }

void Supervisor::expect_progress() {
  deadline_ = support::now_ns() + time_allowed;
  support::expect_progress();
}

Tracee& Supervisor::spawn(const std::string& name, bool endless, const std::function<void()>& body) {
  Gate& seized = gates_->gate[tracees_.size() % gates_->gate.size()];
  seized.reset();
  const pid_t tracer = getpid();
  const pid_t pid = fork();
  if (pid < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != tracer) _exit(250);
    seized.wait();
    try {
      stop_before_futex_waits();
      body();
    } catch (...) {
      _exit(251);
    }
    _exit(0);
  }
  Tracee& tracee = tracees_.emplace_back();
  tracee.pid = pid;
  tracee.name = name;
  tracee.endless = endless;
  support::seize(pid);
  seized.open();
  return tracee;
}

void Supervisor::handle(Tracee& tracee, int status) {
  if (WIFEXITED(status) || WIFSIGNALED(status)) {
    tracee.reaped = true;
    tracee.exit_status = status;
    tracee.has_event = true;
    tracee.event = status;
    return;
  }
  if (support::is_signal_stop(status, begin_mark)) tracee.stepped = true;
  if (tracee.stepped) {
    tracee.has_event = true;
    tracee.event = status;
    return;
  }
  if (support::is_filter_stop(status)) {
    if (tracee.endless) support::make_wait_endless(tracee.pid);
    support::resume(tracee.pid);
    return;
  }
  support::resume(tracee.pid, status >> 16 == 0 ? WSTOPSIG(status) : 0);
}

bool Supervisor::handle_event(bool wait) {
  int status = 0;
  const pid_t pid = waitpid(-1, &status, __WALL | (wait ? 0 : WNOHANG));
  if (pid <= 0) {
    check_watchdog();
    return false;
  }
  for (Tracee& tracee : tracees_) {
    if (tracee.pid == pid && !tracee.reaped) {
      handle(tracee, status);
      return true;
    }
  }
  return true;
}

void Supervisor::check_watchdog() const {
  if (support::now_ns() > deadline_) throw Hang("nothing moves any more\n" + describe());
}

Step Supervisor::step(Tracee& tracee) { return go(tracee, true); }

Step Supervisor::run_to_breakpoint(Tracee& tracee) { return go(tracee, false); }

Step Supervisor::go(Tracee& tracee, bool by_step) {
  if (!tracee.in_step) {
    tracee.has_event = false;
    tracee.in_step = true;
    tracee.by_step = by_step;
    tracee.may_block = false;
    if (by_step) {
      support::step(tracee.pid);
    } else {
      support::resume(tracee.pid);
    }
  }
  for (;;) {
    if (tracee.has_event) {
      tracee.has_event = false;
      if (tracee.reaped) return Step::ended;
      if (support::is_filter_stop(tracee.event)) {
        if (tracee.endless) support::make_wait_endless(tracee.pid);
        tracee.may_block = tracee.by_step = true;
        tracee.told_blocked = false;
        support::step(tracee.pid);
        continue;
      }
      tracee.in_step = false;
      if (support::is_signal_stop(tracee.event, end_mark)) return Step::returned;
      if (!tracee.by_step) support::Breakpoint::step_back(tracee.pid);
      return Step::stepped;
    }
    if (!tracee.may_block) {
      handle_event(true);
    } else if (!handle_event(false)) {
      if (!tracee.told_blocked && is_blocked_in_futex(tracee.pid)) {
        tracee.told_blocked = true;
        return Step::blocked;
      }
      nap();
    }
  }
}

bool Supervisor::run_to_futex_wait(Tracee& tracee) {
  tracee.has_event = false;
  support::resume(tracee.pid);
  while (!tracee.has_event) handle_event(true);
  tracee.has_event = false;
  if (tracee.reaped) throw Hang("it ended by itself\n" + describe());
  if (!support::is_filter_stop(tracee.event)) return false;
  tracee.in_step = tracee.by_step = tracee.may_block = true;
  tracee.told_blocked = false;
  support::step(tracee.pid);
  return true;
}

void Supervisor::kill_and_reap(Tracee& tracee) {
  if (!tracee.reaped) kill(tracee.pid, SIGKILL);
  while (!tracee.reaped) handle_event(true);
}

void Supervisor::until(const std::function<bool()>& condition) {
  while (!condition()) {
    if (!handle_event(false)) nap();
  }
}

bool Supervisor::sleep_for_good(const std::vector<const Tracee*>& tracees) {
  // Two looks: a process that has not moved between them slept all the time between.
  std::vector<long> before;
  for (const Tracee* const tracee : tracees) {
    if (!is_blocked_in_futex(tracee->pid)) return false;
    before.push_back(switches(tracee->pid));
  }
  for (size_t i = 0; i < tracees.size(); ++i) {
    if (!is_blocked_in_futex(tracees[i]->pid) || switches(tracees[i]->pid) != before[i]) return false;
  }
  return true;
}

void Supervisor::clear() {
  for (Tracee& tracee : tracees_) {
    if (!tracee.reaped) kill(tracee.pid, SIGKILL);
  }
  for (Tracee& tracee : tracees_) {
    while (!tracee.reaped) {
      int status = 0;
      if (waitpid(tracee.pid, &status, __WALL) < 0 && errno != EINTR) break;
      tracee.reaped = WIFEXITED(status) || WIFSIGNALED(status);
    }
  }
  tracees_.clear();
}

std::string Supervisor::describe() const {
  std::ostringstream out;
  for (const Tracee& tracee : tracees_) {
    out << "    " << tracee.name << " (" << tracee.pid << "): ";
    out << (tracee.reaped ? "reaped" : support::describe_thread(tracee.pid)) << "\n";
  }
  return out.str();
}

}  // namespace crash
