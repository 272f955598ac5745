#include "runner.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>
#include <sstream>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "observe.h"
#include "scenario_run.h"
#include "supervisor.h"
#include "support/ptrace.h"

namespace crash {
namespace {

constexpr size_t findings_told = 3;
constexpr int most_hangs = 3;  // each takes the watchdog's time

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

  bool counts(uint64_t pc, ScenarioRun& run) {
    if (every_) return true;
    const bool after_system_call = was_system_call_;
    was_system_call_ = support::is_system_call(pc);
    // What libc did is seen at the next instruction of the library.
    if (!in_library(pc) && !run.is_baseline()) return after_system_call || was_system_call_;
    const uint64_t list = fingerprint_of_robust_list(run.victim().pid);
    std::string bytes = run.bytes();
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

// A kill point, as a run before found it.
struct Point {
  enum What { instruction, asleep, returned } what;
  uint64_t place;  // about to execute the instruction there
  uint64_t nth;    // for the nth time, or asleep for the nth time
};

class Runner {
 public:
  Runner(const Scenario& scenario, Thoroughness thoroughness)
      : scenario_(scenario), thoroughness_(thoroughness), one_processor_(!scenario.spins), run_(scenario) {}

  Tally run() {
    if (thoroughness_.every_instruction) {
      run_scattered();
    } else {
      record();
      for (uint64_t target = 1; run_to(target); ++target) {
      }
    }
    tally_.points = points_.size();
    tally_.of_points = std::max(longest_, tally_.kills);
    return std::move(tally_);
  }

 private:
  static constexpr uint64_t nowhere = UINT64_MAX;

  // All kill points, in an order in which those tried so far are evenly spread, as long as there is time; a few in any
  // case.
  void run_scattered() {
    const int64_t end = support::now_ns() + thoroughness_.budget_ns;
    record();
    const uint64_t stride = coprime_near_golden_section(longest_);
    uint64_t target = static_cast<uint64_t>(support::now_ns()) % std::max(longest_, uint64_t{1});
    constexpr uint64_t at_least = 24;
    for (uint64_t i = 0; i < longest_ && (i < at_least || support::now_ns() < end); ++i) {
      run_to(target + 1);
      target = (target + stride) % longest_;
    }
  }

  static uint64_t coprime_near_golden_section(uint64_t count) {
    uint64_t stride = std::max<uint64_t>(1, static_cast<uint64_t>(0.618 * static_cast<double>(count)));
    while (std::gcd(stride, count) > 1) ++stride;
    return stride;
  }

  // One run that nobody kills, instruction by instruction: where its kill points are.
  void record() { run_to(nowhere); }

  // Kills at the target-th kill point. False: there is none. Where a time-out or a spin ended sooner than in a run
  // before, a point may be out of reach this time: try again.
  bool run_to(uint64_t target) {
    constexpr int tries = 20;
    constexpr int direct_tries = 5;
    const bool recorded = target <= recorded_.size();
    for (int i = 0; i < tries && hangs_ < most_hangs; ++i) {
      try {
        run_.begin();
        const bool found = begin_at_its_sleep() &&
                           (recorded && i < direct_tries ? run_to_point(recorded_[target - 1]) : step_to(target));
        if (found) finish(target);
        run_.end();
        if (found) return true;
        if (slept_as_it_should_ && (target == nowhere || target > longest_)) return false;
      } catch (const Hang& hang) {
        ++tally_.stuck;
        ++hangs_;
        tell(target, hang.what());
        run_.end();
      }
    }
    return false;
  }

  bool begin_at_its_sleep() {
    place_ = support::program_counter(run_.victim().pid);
    asleep_ = returned_ = false;
    // The way to its sleep is killed in the other rows; it would use the time up.
    slept_as_it_should_ = scenario_.operation != Operation::time_out || run_.run_to_sleep();
    return slept_as_it_should_;
  }

  // Every instruction by itself.
  bool step_to(uint64_t target) {
    // With a barger there are few points, and they are the ones that others got wrong.
    PointCounter counter(thoroughness_.every_instruction || scenario_.barger);
    std::unordered_map<uint64_t, uint64_t> visits{{place_, 1}};
    uint64_t count = 0;
    uint64_t sleeps = 0;
    bool counts = true;
    const auto reaches = [&] {
      ++count;
      if (target == nowhere && count > recorded_.size()) {
        recorded_.push_back({asleep_     ? Point::asleep
                             : returned_ ? Point::returned
                                         : Point::instruction,
                             place_, asleep_ ? sleeps : visits[place_]});
      }
      longest_ = std::max(longest_, count);
      return count == target;
    };
    for (;;) {
      if (counts && is_point() && reaches()) return true;
      if (returned_) return false;
      asleep_ = false;
      switch (run_.step()) {
        case Step::stepped:
          place_ = support::program_counter(run_.victim().pid);
          ++visits[place_];
          counts = counter.counts(place_, run_);
          break;
        case Step::blocked:
          asleep_ = true;
          ++sleeps;
          run_.let_join();
          if (is_point() && reaches()) return true;
          counts = false;
          run_.wake_victim();
          break;
        case Step::returned: returned_ = counts = true; break;
        case Step::ended: throw Hang("the victim ended by itself\n" + run_.describe());
      }
    }
  }

  // Straight to a kill point of the recorded run: thousands of times faster than by instructions.
  bool run_to_point(const Point& point) {
    const bool stops = point.what == Point::instruction;
    support::Breakpoint breakpoint(run_.victim().pid, point.place);
    uint64_t visits = 1, sleeps = 0;
    bool is_there = place_ == point.place;
    if (!is_there) visits = 0;
    bool blocked = scenario_.operation == Operation::time_out;  // as it begins
    for (;;) {
      if (stops && is_there && visits == point.nth) {
        if (breakpoint.is_set()) breakpoint.clear();
        return is_point();
      }
      // It steps off the breakpoint; while it sleeps, its code cannot be changed.
      if (stops && !blocked && breakpoint.is_set() == is_there) is_there ? breakpoint.clear() : breakpoint.set();
      const Step step = is_there ? run_.step() : run_.run_to_breakpoint();
      is_there = blocked = asleep_ = false;
      switch (step) {
        case Step::stepped:
          place_ = support::program_counter(run_.victim().pid);
          is_there = place_ == point.place;
          if (is_there) ++visits;
          break;
        case Step::blocked:
          blocked = asleep_ = true;
          ++sleeps;
          run_.let_join();
          if (point.what == Point::asleep && sleeps == point.nth) return is_point();
          run_.wake_victim();
          break;
        case Step::returned:
          place_ = point.place;
          returned_ = true;
          return point.what == Point::returned && is_point();
        case Step::ended: throw Hang("the victim ended by itself\n" + run_.describe());
      }
    }
  }

  bool is_point() { return !scenario_.barger || run_.look().is_free(); }

  void finish(uint64_t target) {
    points_.insert(asleep_ ? 0 : place_);
    ++tally_.kills;
    const std::string complaint = run_.kill_and_judge(returned_);
    if (complaint.empty()) return;
    ++(run_.is_stuck() ? tally_.stuck : tally_.wrong);
    tell(target, complaint);
  }

  void tell(uint64_t target, const std::string& complaint) {
    if (tally_.findings.size() >= findings_told) return;
    std::ostringstream out;
    out << name_of(scenario_) << ", kill point " << target << (returned_ ? " (returned)" : "") << ": " << complaint
        << "\n  at " << (asleep_ ? "asleep, " : "") << describe(place_) << "\n  lock: " << run_.inspect()
        << "\n  told before: " << run_.results();
    tally_.findings.push_back(out.str());
  }

  const Scenario scenario_;
  const Thoroughness thoroughness_;
  const OneProcessor one_processor_;
  ScenarioRun run_;
  Tally tally_;
  std::unordered_set<uint64_t> points_;
  std::vector<Point> recorded_;
  uint64_t place_ = 0;
  uint64_t longest_ = 0;  // kill points in one run
  int hangs_ = 0;
  bool asleep_ = false, returned_ = false, slept_as_it_should_ = true;
};

}  // namespace

Tally run(const Scenario& scenario, Thoroughness thoroughness) { return Runner(scenario, thoroughness).run(); }

}  // namespace crash
