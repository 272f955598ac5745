#include "runner.h"

#include <sched.h>
#include <unistd.h>

#include <sstream>
#include <unordered_set>

#include "play.h"
#include "supervisor.h"
#include "tracee.h"

namespace crash {
namespace {

constexpr size_t findings_told = 3;

class OneProcessor {
 public:
  explicit OneProcessor(bool wanted) : wanted_(wanted) {
    if (!wanted_) return;
    sched_getaffinity(0, sizeof before_, &before_);
    cpu_set_t one;
    CPU_ZERO(&one);
    for (size_t cpu = 0, seen = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!CPU_ISSET(cpu, &before_)) continue;
      // Tests that run side by side go to different ones.
      const auto count = static_cast<size_t>(CPU_COUNT(&before_));
      if (seen++ == static_cast<size_t>(getpid()) % count) CPU_SET(cpu, &one);
    }
    sched_setaffinity(0, sizeof one, &one);
  }
  ~OneProcessor() {
    if (wanted_) sched_setaffinity(0, sizeof before_, &before_);
  }
  OneProcessor(const OneProcessor&) = delete;
  OneProcessor& operator=(const OneProcessor&) = delete;

 private:
  const bool wanted_;
  cpu_set_t before_{};
};

// Which stops of a victim's way through its operation count as kill points.
class PointCounter {
 public:
  explicit PointCounter(bool every) : every_(every) {}

  bool counts(uint64_t pc, Play& play) {
    if (every_) return true;
    const bool after_system_call = was_system_call_;
    was_system_call_ = is_system_call(pc);
    // What libc did is seen at the next instruction of the library.
    if (!in_library(pc) && !play.is_baseline()) return after_system_call || was_system_call_;
    const uint64_t list = fingerprint_of_robust_list(play.victim().pid);
    std::string bytes = play.bytes();
    const bool changed = list != list_ || bytes != bytes_;
    list_ = list;
    bytes_ = std::move(bytes);
    return changed || after_system_call || was_system_call_ || ++unchanged_ % one_in == 0;
  }

 private:
  static constexpr unsigned one_in = 64;
  const bool every_;
  bool was_system_call_ = false;
  uint64_t list_ = 0;
  std::string bytes_;
  unsigned unchanged_ = 0;
};

class Runner {
 public:
  Runner(const Scenario& scenario, Thoroughness thoroughness)
      : scenario_(scenario), thoroughness_(thoroughness), one_processor_(!scenario.spins), play_(scenario) {}

  Tally run() {
    for (uint64_t target = 1; run_to(target); ++target) {
    }
    tally_.points = points_.size();
    return std::move(tally_);
  }

 private:
  // Kills at the target-th kill point. False: there was none.
  bool run_to(uint64_t target) {
    try {
      play_.begin();
      const bool found = step_to(target);
      if (found) finish(target);
      play_.end();
      return found;
    } catch (const Hang& hang) {
      ++tally_.stuck;
      tell(target, hang.what());
      play_.end();
      return tally_.stuck < findings_told;
    }
  }

  bool step_to(uint64_t target) {
    // With a barger there are few points, and they are the ones that others got wrong.
    PointCounter counter(thoroughness_.every_instruction || scenario_.barger);
    uint64_t count = 0;
    place_ = program_counter(play_.victim().pid);
    asleep_ = returned_ = false;
    bool counts = true;
    for (;;) {
      if (counts && is_point() && ++count == target) return true;
      if (returned_) return false;
      asleep_ = false;
      switch (play_.step()) {
        case Step::stepped:
          place_ = program_counter(play_.victim().pid);
          counts = counter.counts(place_, play_);
          break;
        case Step::blocked:
          asleep_ = true;
          play_.let_join();
          if (is_point() && ++count == target) return true;
          counts = false;
          play_.wake_victim();
          break;
        case Step::returned:
          returned_ = counts = true;
          break;
        case Step::ended: throw Hang("the victim ended by itself\n" + play_.describe());
      }
    }
  }

  bool is_point() { return !scenario_.barger || play_.look().is_free(); }

  void finish(uint64_t target) {
    points_.insert(asleep_ ? 0 : place_);
    ++tally_.kills;
    const std::string complaint = play_.kill_and_judge(returned_);
    if (complaint.empty()) return;
    ++(play_.is_stuck() ? tally_.stuck : tally_.wrong);
    tell(target, complaint);
  }

  void tell(uint64_t target, const std::string& complaint) {
    if (tally_.findings.size() >= findings_told) return;
    std::ostringstream out;
    out << name_of(scenario_) << ", kill point " << target << (returned_ ? " (returned)" : "") << ": " << complaint << "\n  at "
        << (asleep_ ? "asleep, " : "") << describe(place_) << "\n  lock: " << play_.inspect() << "\n  told before: "
        << play_.story();
    tally_.findings.push_back(out.str());
  }

  const Scenario scenario_;
  const Thoroughness thoroughness_;
  const OneProcessor one_processor_;
  Play play_;
  Tally tally_;
  std::unordered_set<uint64_t> points_;
  uint64_t place_ = 0;
  bool asleep_ = false, returned_ = false;
};

}  // namespace

Tally run(const Scenario& scenario, Thoroughness thoroughness) { return Runner(scenario, thoroughness).run(); }

}  // namespace crash
