// Runs traced processes: keeps them going, steps one of them, and knows when all of them sleep for good.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <list>
#include <stdexcept>
#include <string>
#include <vector>

#include "gate.h"
#include "support/support.h"

namespace crash {

// Nothing has moved for so long that something must be broken. Carries the state of every process.
struct Hang : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Tracee {
  pid_t pid = -1;
  std::string name;
  bool endless = true;   // its futex waits have their time-outs taken away
  bool stepped = false;  // it has raised begin_mark: its stops are for step()
  bool in_step = false;
  bool by_step = false;  // in one of one instruction; else it runs to a breakpoint
  bool may_block = false;
  bool told_blocked = false;
  bool has_event = false;
  int event = 0;
  bool reaped = false;
  int exit_status = 0;
};

enum class Step {
  stepped,   // one instruction further
  blocked,   // asleep in the kernel; told once for each sleep. The next step() waits for its end
  returned,  // it has raised end_mark
  ended
};

// What a stepped process raises around its operation.
void raise_begin_mark();
void raise_end_mark();

class Supervisor {
 public:
  Supervisor();
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Forks a traced process.
  Tracee& spawn(const std::string& name, bool endless, const std::function<void()>& body);

  // Lets a stepped process run, instead, until it has entered its next futex wait. False: it returned without one.
  bool run_to_futex_wait(Tracee& tracee);

  Step step(Tracee& tracee);
  Step run_to_breakpoint(Tracee& tracee);  // the same, but `stepped` is at a breakpoint, or behind a futex wait
  void kill_and_reap(Tracee& tracee);

  // Keeps all processes going until the condition holds.
  void until(const std::function<bool()>& condition);

  // Whether every one of these sleeps in a futex call, at one and the same moment, with nobody else there to wake it.
  // Nothing ends that, since the waits are endless.
  static bool sleep_for_good(const std::vector<const Tracee*>& tracees);

  // Restarts the watchdog: `seconds` from now.
  void expect_progress();

  // Kills and reaps what is left.
  void clear();

  std::string describe() const;

 private:
  Step go(Tracee& tracee, bool by_step);
  bool handle_event(bool wait);
  void handle(Tracee& tracee, int status);
  void check_watchdog() const;

  struct Gates {
    std::array<Gate, 64> gate;
  };

  std::list<Tracee> tracees_;
  support::Shared<Gates> gates_;
  int64_t deadline_ = 0;
};

}  // namespace crash
