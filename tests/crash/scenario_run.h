// One run of a scenario: which processes take part, in which order they come, and whether what they were told is right.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "companions.h"
#include "gate.h"
#include "scenario.h"
#include "supervisor.h"

namespace crash {

class ScenarioRun {
 public:
  explicit ScenarioRun(const Scenario& scenario);

  void begin();  // up to the victim's first instruction
  void end();    // kills what is left

  const Tracee& victim() const { return *victim_; }
  Step step() { return supervisor_.step(*victim_); }
  Step run_to_breakpoint() { return supervisor_.run_to_breakpoint(*victim_); }
  bool run_to_sleep() { return supervisor_.run_to_futex_wait(*victim_); }  // false: it returned without one
  void let_join();     // those behind the victim, if they have not come yet
  void wake_victim();  // the lock's owner releases it
  View look() { return subject_->look(); }
  std::string bytes() { return subject_->bytes(); }
  bool is_baseline() const { return scenario_.glibc; }

  // The victim dies. What is wrong then, or "".
  std::string kill_and_judge(bool returned);
  bool is_stuck() const { return stuck_; }

  std::string inspect() const { return subject_->inspect(); }
  std::string describe() const { return supervisor_.describe(); }
  std::string results() const;  // which process was told what

 private:
  enum class Stage { absent, ready, calling, inside, done };

  struct Part {
    Gate start, release;
    std::atomic<Stage> stage{Stage::absent};
    std::atomic<int> result{0};
    std::atomic<int> order{-1};  // of acquisition
  };
  static constexpr size_t most_participants = 8;

  struct Board {
    Part parts[most_participants];
    Part victim, successor;
    std::atomic<int> acquisitions{0};
    std::atomic<uint64_t> token{0};
    std::atomic<bool> others_released{true};
  };

  struct Participant {
    Part* part;
    Tracee* tracee;
    std::string name;
  };

  void prepare_ground();
  void make_stale_file();
  void be_victim();
  int perform();
  void participate(Part& part, bool barges, bool opens);
  void succeed(Part& part);
  Participant& add_participant(const std::string& name, bool barges);
  void acquire_or_sleep(Participant& participant);
  bool all_done_or_stuck(const std::vector<Participant*>& participants);

  // Both return what is wrong, or "".
  std::string judge_participants(int known_acquisitions, const View& view, bool news) const;
  std::string judge_successor(const View& view, bool news);
  std::string judge_directory() const;
  int due_result() const;

  const Scenario scenario_;
  const support::TempDir directory_;
  const std::unique_ptr<Subject> subject_;
  const std::unique_ptr<Companions> companions_;
  std::string stale_file_;  // its content
  Supervisor supervisor_;
  support::Shared<Board> board_;
  std::vector<Participant> ahead_, behind_, barger_;
  size_t participants_ = 0;
  size_t released_ = 0;  // of those ahead
  Tracee* victim_ = nullptr;
  bool joined_ = false;
  bool stuck_ = false;
};

}  // namespace crash
