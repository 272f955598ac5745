#include "scenario_run.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "observe.h"

namespace crash {
namespace {

constexpr int64_t short_time = 20 * support::millisecond;  // shorter than the library's own sleeps
constexpr int64_t long_time = 3600 * support::second;

bool is_held(int result) { return result == 0 || result == EOWNERDEAD; }

std::string text(int result) { return result == 0 ? "success" : strerror(result); }

bool starts_inside(Start start) { return start != Start::nowhere && start != Start::opened; }

}  // namespace

ScenarioRun::ScenarioRun(const Scenario& scenario)
    : scenario_(scenario),
      subject_(scenario.glibc ? make_glibc_subject() : make_subject(scenario.kind, directory_ / "lock")),
      companions_(scenario.others ? std::make_unique<Companions>(directory_.path()) : nullptr) {
  if (scenario_.ground == Ground::stale) make_stale_file();
}

// By a process of another PID namespace, which dies holding the lock.
void ScenarioRun::make_stale_file() {
  const std::string path = directory_ / "lock";
  support::Child maker([&] {
    if (unshare(CLONE_NEWPID) != 0) return 1;
    const pid_t inhabitant = fork();  // which sees no parent, so support::Child would not do
    if (inhabitant == 0) _exit(subject_->open() == 0 && subject_->lock() == 0 ? 0 : 2);
    int status = 0;
    return waitpid(inhabitant, &status, 0) == inhabitant && status == 0 ? 0 : 2;
  });
  if (maker.wait() != 0) throw std::runtime_error("a PID namespace cannot be made");
  std::ifstream file(path, std::ios::binary);
  stale_file_.assign(std::istreambuf_iterator<char>(file), {});
  subject_->forget();
}

void ScenarioRun::prepare_ground() {
  subject_->forget();
  if (companions_) companions_->renew();
  switch (scenario_.ground) {
    case Ground::fresh: break;
    case Ground::stale: std::ofstream(directory_ / "lock", std::ios::binary) << stale_file_; break;
    case Ground::existing:
    case Ground::owner_died: {
      support::Child predecessor([&] {
        int error = subject_->open();
        if (error == 0 && scenario_.ground == Ground::owner_died) error = subject_->lock();
        return error;
      });
      if (predecessor.wait() != 0) throw std::runtime_error("the predecessor failed");
    }
  }
}

int ScenarioRun::perform() {
  switch (scenario_.operation) {
    case Operation::lock: return subject_->lock();
    case Operation::trylock: return subject_->trylock();
    case Operation::timedlock: return subject_->timedlock(long_time);
    case Operation::time_out: return subject_->timedlock(short_time);
    case Operation::unlock: return subject_->unlock();
    case Operation::consistent: return subject_->consistent();
    case Operation::poison: return subject_->poison();
    case Operation::open: return scenario_.ground == Ground::fresh ? subject_->create() : subject_->open();
    case Operation::close: return subject_->close();
    case Operation::remove: return subject_->remove();
    case Operation::initialise: return subject_->initialise();
  }
  return ENOSYS;
}

// Of the operation, if nothing kills it.
int ScenarioRun::due_result() const {
  const bool acquires = scenario_.operation == Operation::lock || scenario_.operation == Operation::trylock ||
                        scenario_.operation == Operation::timedlock;
  if (scenario_.operation == Operation::time_out) return ETIMEDOUT;
  if (scenario_.operation == Operation::trylock && scenario_.ahead != 0) return EBUSY;
  if (scenario_.ahead_dies) return EOWNERDEAD;
  return acquires && scenario_.ground == Ground::owner_died && !starts_inside(scenario_.start) ? EOWNERDEAD : 0;
}

void ScenarioRun::be_victim() {
  if (scenario_.start != Start::nowhere && subject_->open() != 0) _exit(1);
  if (companions_) companions_->acquire_first();
  if (starts_inside(scenario_.start)) {
    if (subject_->lock() != (scenario_.ground == Ground::owner_died ? EOWNERDEAD : 0)) _exit(2);
    if (scenario_.start == Start::inside_twice && subject_->lock() != 0) _exit(3);
  }
  if (companions_) companions_->acquire_rest();
  raise_begin_mark();
  board_->victim.result = perform();
  raise_end_mark();
}

void ScenarioRun::participate(Part& part, bool barges, bool opens) {
  if (!opens && subject_->open() != 0) _exit(1);
  part.stage = Stage::ready;
  part.start.wait();
  part.stage = Stage::calling;
  int result = opens ? subject_->create() : 0;
  if (result == 0) result = barges ? subject_->trylock() : subject_->lock();
  part.result = result;
  if (is_held(result)) {
    part.order = board_->acquisitions++;
    if (result == EOWNERDEAD && subject_->consistent() != 0) _exit(2);
    part.stage = Stage::inside;
    part.release.wait();
    if (subject_->unlock() != 0) _exit(3);
  }
  part.stage = Stage::done;
}

ScenarioRun::Participant& ScenarioRun::add_participant(const std::string& name, bool barges) {
  Part& part = board_->parts[participants_++];
  const bool opens = scenario_.operation == Operation::open;
  Tracee& tracee = supervisor_.spawn(name, true, [this, &part, barges, opens] { participate(part, barges, opens); });
  auto& group = barges ? barger_ : name.front() == 'a' ? ahead_ : behind_;
  group.push_back({&part, &tracee, name});
  return group.back();
}

void ScenarioRun::acquire_or_sleep(Participant& participant) {
  participant.part->start.open();
  supervisor_.until([&] {
    if (participant.tracee->reaped && participant.part->stage != Stage::done)
      throw Hang(participant.name + " died\n" + describe());
    const Stage stage = participant.part->stage;
    return stage == Stage::inside || stage == Stage::done ||
           (stage == Stage::calling && is_blocked(participant.tracee->pid));
  });
}

void ScenarioRun::begin() {
  supervisor_.expect_progress();
  stuck_ = joined_ = false;
  participants_ = released_ = 0;
  ahead_.clear();
  behind_.clear();
  barger_.clear();
  new (&*board_) Board();
  prepare_ground();
  ahead_.reserve(most_participants);
  behind_.reserve(most_participants);
  const bool endless = scenario_.operation != Operation::time_out;
  victim_ = &supervisor_.spawn("victim", endless, [this] { be_victim(); });
  supervisor_.until([&] {
    if (victim_->reaped) throw Hang("the victim died too early: " + std::to_string(victim_->exit_status));
    return victim_->stepped;
  });
  for (int i = 0; i < scenario_.ahead; ++i) acquire_or_sleep(add_participant("ahead " + std::to_string(i), false));
  for (int i = 0; i < scenario_.behind; ++i) add_participant("behind " + std::to_string(i), false);
  if (scenario_.barger) add_participant("the barger", true);
  supervisor_.until([&] {
    return std::all_of(board_->parts, board_->parts + participants_,
                       [](const Part& a) { return a.stage != Stage::absent; });
  });
  if (starts_inside(scenario_.start)) let_join();
  board_->token = subject_->look().token;
}

void ScenarioRun::let_join() {
  if (joined_) return;
  joined_ = true;
  for (Participant& participant : behind_) {
    participant.part->release.open();
    acquire_or_sleep(participant);
  }
}

void ScenarioRun::wake_victim() {
  if (scenario_.operation == Operation::time_out) return;
  // The victim of a fair lock, or of glibc's, sleeps but once, through all the owners ahead of it.
  const bool sleeps_once = scenario_.kind.fair() || scenario_.glibc;
  const size_t go = sleeps_once ? ahead_.size() : std::min(released_ + 1, ahead_.size());
  if (scenario_.ahead_dies && released_ == 0) {
    supervisor_.kill_and_reap(*ahead_.front().tracee);
    ++released_;
  }
  while (released_ < go) ahead_[released_++].part->release.open();
}

void ScenarioRun::end() { supervisor_.clear(); }

bool ScenarioRun::all_done_or_stuck(const std::vector<Participant*>& participants) {
  supervisor_.until([&] {
    std::vector<const Tracee*> asleep;
    for (const Participant* const participant : participants) {
      if (participant->part->stage == Stage::done) continue;
      if (participant->tracee->reaped) throw Hang(participant->name + " died\n" + describe());
      asleep.push_back(participant->tracee);
    }
    stuck_ = !asleep.empty() && Supervisor::sleep_for_good(asleep);
    return stuck_ || asleep.empty();
  });
  return !stuck_;
}

std::string ScenarioRun::kill_and_judge(bool returned) {
  if (returned && board_->victim.result != due_result()) return "the victim was told " + text(board_->victim.result);
  std::vector<Participant*> participants;
  std::string wrong;
  for (Participant& participant : barger_) {
    const int due = subject_->look().owner_died ? EOWNERDEAD : 0;
    const int acquisitions = board_->acquisitions;
    acquire_or_sleep(participant);
    const bool too_late =
        participant.part->result == EBUSY &&
        (!subject_->look().is_free() || board_->acquisitions != acquisitions);  // a woken waiter was faster
    if (too_late) {
      participant.part->result = 0;
    } else if (participant.part->stage != Stage::inside) {
      wrong = "the lock was free, and the barger was told " + text(participant.part->result);
    } else if (const bool first = participant.part->order == acquisitions;
               participant.part->result != (first ? due : 0)) {
      // Not the first: a woken waiter was faster, was told, and repaired.
      wrong = "the barger was told " + text(participant.part->result) + ", due: " + text(due);
    }
    participants.push_back(&participant);
  }
  let_join();

  const int known = board_->acquisitions;
  const View view = subject_->look();
  bool news = view.exists && view.complete && (view.owner_died || view.owner == static_cast<uint32_t>(victim_->pid));
  if (scenario_.ground == Ground::stale) news = known == 0 || news;
  supervisor_.kill_and_reap(*victim_);

  for (Participant& participant : ahead_) {
    if (!scenario_.ahead_dies || !participant.tracee->reaped) participants.push_back(&participant);
  }
  for (Participant& participant : behind_) participants.push_back(&participant);
  for (Participant* const participant : participants) participant->part->release.open();
  if (!all_done_or_stuck(participants))
    return "stuck after the victim's death (" + to_string(view) + ")\n" + describe();

  if (wrong.empty()) wrong = judge_participants(known, view, news);
  if (wrong.empty()) wrong = judge_successor(view, news && board_->acquisitions == known);
  if (wrong.empty()) wrong = judge_directory();
  return wrong.empty() || stuck_ ? wrong : wrong + " (at the kill: " + to_string(view) + ")";
}

std::string ScenarioRun::judge_participants(int known_acquisitions, const View& view, bool news) const {
  const int dead = view.retired ? EIDRM : view.poisoned ? ENOTRECOVERABLE : 0;
  // Which of those that acquired before the kill is due to have heard of an earlier death.
  const bool died_before = scenario_.ground == Ground::stale || scenario_.ground == Ground::owner_died;
  const int successor_of_the_dead = died_before ? 0 : scenario_.ahead_dies && released_ != 0 ? 1 : -1;
  for (const auto* const group : {&ahead_, &behind_}) {
    for (const Participant& participant : *group) {
      const int result = participant.part->result;
      const int order = participant.part->order;
      bool right = result == dead;
      if (is_held(result)) {
        const bool is_first = order == known_acquisitions;
        if (order < known_acquisitions) {
          right = result == (order == successor_of_the_dead ? EOWNERDEAD : 0);
        } else {
          right = dead == 0 && result == (is_first && news ? EOWNERDEAD : 0);
        }
      }
      if (!right) return participant.name + " was told " + text(result) + ", as number " + std::to_string(order);
    }
  }
  return "";
}

// A process that comes later: opens the file, uses the lock, and finds everything else that the victim held released.
void ScenarioRun::succeed(Part& part) {
  part.stage = Stage::calling;
  int error = 0;
  const bool initialises = scenario_.operation == Operation::initialise && !subject_->look().complete;
  if (initialises) error = subject_->initialise();
  if (error == 0) error = subject_->open();
  if (error == EBADMSG && scenario_.operation == Operation::remove && scenario_.kind.in_buffer) {
    error = subject_->initialise();
    if (error == 0) error = subject_->open();
  }
  if (error == 0) error = subject_->lock();
  part.result = error;
  if (error == ENOTRECOVERABLE || error == EIDRM) {
    error = error == EIDRM ? 0 : subject_->remove();
    if (error == 0 && scenario_.kind.in_buffer) error = subject_->initialise();
    if (error == 0) error = subject_->open();
    if (error == 0) error = subject_->lock();
  }
  if (error == EOWNERDEAD) error = subject_->consistent();
  if (error == 0) {
    board_->token = subject_->token();
    error = subject_->unlock();
  }
  if (error == 0) error = subject_->close();
  if (companions_ && !companions_->unreleased().empty()) board_->others_released = false;
  part.order = error;
  part.stage = Stage::done;
}

std::string ScenarioRun::judge_successor(const View& view, bool news) {
  const uint64_t token_before = board_->token;
  Part& part = board_->successor;
  Tracee& tracee = supervisor_.spawn("the successor", true, [this, &part] { succeed(part); });
  Participant participant{&part, &tracee, "the successor"};
  if (!all_done_or_stuck({&participant})) return "a process that came later is stuck\n" + describe();
  const int due = view.retired ? 0 : view.poisoned ? ENOTRECOVERABLE : news ? EOWNERDEAD : 0;
  if (part.result != due) return "the successor was told " + text(part.result) + ", due: " + text(due);
  if (part.order != 0) return "the successor could not use the lock: " + text(part.order);
  if (!board_->others_released) return "the victim's other locks were not released: " + companions_->unreleased();
  if (!scenario_.glibc && board_->token <= token_before) return "the fencing token went back";
  return "";
}

std::string ScenarioRun::judge_directory() const {
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
    const std::string name = entry.path().filename();
    if (name != "lock" && name.rfind("other-", 0) != 0) return "left in the directory: " + name;
  }
  return "";
}

std::string ScenarioRun::results() const {
  std::ostringstream out;
  for (const auto* const group : {&ahead_, &barger_, &behind_}) {
    for (const Participant& participant : *group) {
      const Part& part = *participant.part;
      out << participant.name << ": ";
      if (part.stage == Stage::done || part.stage == Stage::inside) {
        out << text(part.result) << " (" << part.order << "); ";
      } else {
        out << (part.stage == Stage::calling ? "waiting; " : "not come; ");
      }
    }
  }
  return out.str();
}

}  // namespace crash
