// Kills, stops and continues processes at random moments while they hammer locks; and counts what they were told
// wrongly.
//
//   random_killer [--seconds S] [--seed N] [--processes P]     SHMUTEX_CRASH_SECONDS and SHMUTEX_CRASH_SEED likewise
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>
#include <vector>

#include "hammer.h"
#include "observe.h"
#include "support/hang_report.h"
#include "support/ptrace.h"
#include "support/support.h"

namespace crash {
namespace {

constexpr int64_t longest_wait = 30 * support::second;

struct Options {
  int64_t seconds = 20;
  uint64_t seed = 1;
  size_t processes = 8;
};

enum class Mode {
  at_once,  // SIGKILL out of the blue
  stopped_first  // SIGSTOP, a look at which words the victim owns, SIGKILL: so it is known exactly which of them are due to be told
};

class Killer {
 public:
  Killer(const Options& options, Mode mode)
      : options_(options), mode_(mode), board_(*map_board(directory_.path())), random_(options.seed) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    board_.no_forks = mode == Mode::stopped_first;
  }

  // Returns 1 if anything was wrong.
  int run(int64_t seconds) {
    const int64_t start = support::now_ns();
    const int64_t end = start + seconds * support::second;
    for (size_t i = 0; i < options_.processes; ++i) workers_.push_back({spawn(), 0});
    for (int i = 0; i < 2; ++i) spawn_immortal();
    bool stuck = false;
    while (support::now_ns() < end && !stuck) {
      round();
      stuck = somebody_is_stuck();
    }
    const double minutes = static_cast<double>(support::now_ns() - start) / (60.0 * support::second);
    if (!stuck) stuck = !let_all_finish();
    for (const Child& worker : workers_) {
      if (worker.pid > 0) kill(worker.pid, SIGKILL);
    }
    for (const pid_t immortal : immortals_) {
      if (immortal > 0) kill(immortal, SIGKILL);
    }
    int status = 0;
    for (pid_t pid = 0; (pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR;) {
      if (pid > 0 && !WIFSTOPPED(status)) account_for(pid, status);
    }
    for (const Guarded& lock : board_.guarded) {
      if (lock.deaths_told > lock.deaths_possible) board_.invented += lock.deaths_told - lock.deaths_possible;
    }
    const uint64_t wrong =
        board_.missed + board_.invented + board_.failed + board_.crashed + (stuck ? 0 : check_locks());
    report(minutes, stuck, wrong);
    return stuck || wrong != 0 ? 1 : 0;
  }

 private:
  struct Child {
    pid_t pid;
    int64_t stopped_until;  // 0: runs
  };

  pid_t spawn() {
    const uint64_t seed = random_();
    const pid_t killer = getpid();
    const pid_t pid = fork();
    if (pid != 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != killer) _exit(0);
    _exit(hammer(directory_.path(), seed, false));
  }

  // Nobody kills or stops this one, and its sleeps have no end but a wake: one wake-up that is lost, and it is stuck.
  void spawn_immortal() {
    int ends[2];
    if (pipe(ends) != 0) abort();
    const uint64_t seed = random_();
    const pid_t pid = fork();
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      char seized = 0;
      if (read(ends[0], &seized, 1) != 1) _exit(1);
      stop_before_futex_waits();
      _exit(hammer(directory_.path(), seed, true));
    }
    support::seize(pid);
    if (write(ends[1], "", 1) != 1) abort();
    close(ends[0]);
    close(ends[1]);
    immortals_.push_back(pid);
  }

  void round() {
    const auto pause = static_cast<useconds_t>(random_() % 1000);
    usleep(pause);
    Child& chosen = workers_[random_() % workers_.size()];
    const int64_t now = support::now_ns();
    for (Child& worker : workers_) {
      if (worker.stopped_until != 0 && worker.stopped_until < now) go_on(worker);
    }
    if (random_() % 4 == 0) {
      if (chosen.stopped_until != 0) return;
      kill(chosen.pid, SIGSTOP);
      ++stops_;
      chosen.stopped_until = now + static_cast<int64_t>(random_() % 50) * support::millisecond;
    } else {
      kill_and_reap(chosen.pid);
      ++kills_;
      chosen = {spawn(), 0};
    }
    handle_events();
  }

  void go_on(Child& worker) {
    if (worker.pid > 0) kill(worker.pid, SIGCONT);
    worker.stopped_until = 0;
  }

  void kill_and_reap(pid_t pid) {
    int status = 0;
    if (mode_ == Mode::stopped_first) {
      kill(pid, SIGSTOP);
      while (waitpid(pid, &status, WUNTRACED) < 0 && errno == EINTR) {
      }
      if (WIFSTOPPED(status)) note_what_it_owns(pid);
    }
    kill(pid, SIGKILL);
    if (mode_ == Mode::at_once || WIFSTOPPED(status)) {
      while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
      }
    }
    account_for(pid, status);
  }

  // Workers' children, whose parents were killed, and die with them; and the immortals' stops.
  void handle_events() {
    int status = 0;
    for (pid_t pid = 0; (pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0;) {
      if (WIFSTOPPED(status)) {
        const bool sleeps = support::is_filter_stop(status);
        if (sleeps) support::make_wait_endless(pid);
        support::resume(pid, sleeps || status >> 16 != 0 ? 0 : WSTOPSIG(status));
        continue;
      }
      account_for(pid, status);
      for (Child& worker : workers_) {
        if (worker.pid == pid) worker = {board_.stop ? 0 : spawn(), 0};
      }
      for (pid_t& immortal : immortals_) {
        if (immortal == pid) immortal = 0;
      }
    }
  }

  // Of a fair lock, the kernel may make it the owner in the meantime.
  void note_what_it_owns(pid_t pid) {
    for (Slot& slot : board_.slots) {
      if (slot.pid != pid) continue;
      for (int lock = 0; lock < lock_count; ++lock) {
        const bool may_become_owner = kind_of(lock).fair() && slot.phase[lock] != Phase::outside;
        if (may_become_owner || owner_of(lock) == slot.tid) ++board_.guarded[lock].deaths_possible;
      }
    }
  }

  int owner_of(int lock) {
    shmutex_info_t info{};
    info.size = sizeof info;
    if (!kind_of(lock).in_buffer) {
      return shmutex_inspect(lock_path(directory_.path(), lock).c_str(), &info) == 0 ? info.owner_tid : 0;
    }
    // Attached for this one look, so that the workers do not inherit it.
    shmutex_t* const mutex = open_lock(board_, directory_.path(), lock);
    if (mutex == nullptr || shmutex_info(mutex, &info) != 0) return 0;
    shmutex_close(mutex);
    return info.owner_tid;
  }

  void account_for(pid_t pid, int status) {
    if (!ended_well(status)) {
      ++board_.crashed;
      fprintf(stderr, "CRASHED: process %d ended with status 0x%x\n", pid, status);
    }
    for (Slot& slot : board_.slots) {
      if (slot.pid != pid) continue;
      for (int lock = 0; lock < lock_count; ++lock) {
        const Phase phase = slot.phase[lock];
        if (phase == Phase::outside) continue;
        if (mode_ == Mode::at_once) ++board_.guarded[lock].deaths_possible;
        ++(phase == Phase::inside ? killed_inside_ : killed_on_the_way_);
      }
      slot.pid = 0;
    }
  }

  bool somebody_is_stuck() {
    const int64_t now = support::now_ns();
    for (Slot& slot : board_.slots) {
      const int pid = slot.pid;
      if (pid == 0 || kill(pid, 0) != 0) continue;
      for (int lock = 0; lock < lock_count; ++lock) {
        const int64_t since = slot.since[lock];
        if (since == 0 || now - since < longest_wait) continue;
        fprintf(stderr, "STUCK: thread %d of process %d waits for lock %d\n", slot.tid.load(), pid, lock);
        describe_all();
        return true;
      }
    }
    return false;
  }

  void describe_all() {
    static constexpr char letters[] = {'-', 'w', 'I'};  // outside, on the way, inside
    for (Slot& slot : board_.slots) {
      if (slot.pid == 0) continue;
      fprintf(stderr, "  thread %d of process %d: ", slot.tid.load(), slot.pid.load());
      for (const auto& phase : slot.phase) fputc(letters[static_cast<int>(phase.load())], stderr);
      fputc('\n', stderr);
    }
    fputs(support::hang_report().c_str(), stderr);
  }

  bool let_all_finish() {
    for (Child& worker : workers_) go_on(worker);
    board_.stop = true;
    const int64_t limit = support::now_ns() + longest_wait;
    const auto somebody_runs = [this] {
      for (const Child& worker : workers_) {
        if (worker.pid > 0) return worker.pid;
      }
      for (const pid_t immortal : immortals_) {
        if (immortal > 0) return immortal;
      }
      return 0;
    };
    while (const pid_t pid = somebody_runs()) {
      handle_events();
      if (support::now_ns() > limit) {
        fprintf(stderr, "STUCK: process %d does not come to its end\n", pid);
        describe_all();
        return false;
      }
      support::sleep_ms(1);
    }
    return true;
  }

  // Each lock, by a process that comes afterwards. Returns how many are of no use.
  uint64_t check_locks() {
    support::Child opener([this] {
      int bad = 0;
      for (int lock = 0; lock < lock_count; ++lock) {
        shmutex_t* const mutex = open_lock(board_, directory_.path(), lock);
        int error = mutex == nullptr ? ENOENT : shmutex_timedlock(mutex, longest_wait);
        if (error == EOWNERDEAD) error = shmutex_consistent(mutex);
        if (error == 0) error = shmutex_unlock(mutex);
        if (error != 0) ++bad;
      }
      return bad;
    });
    return static_cast<uint64_t>(opener.wait());
  }

  void report(double minutes, bool stuck, uint64_t wrong) {
    uint64_t acquired = 0, told = 0, possible = 0;
    for (const Guarded& lock : board_.guarded) {
      acquired += lock.acquired;
      told += lock.deaths_told;
      possible += lock.deaths_possible;
    }
    printf(
        "%s: seed %lu, %zu processes, %d locks: kills %lu (%.0f a minute), inside %lu, on the way in or out %lu; stops "
        "%lu, "
        "forks %lu, execs %lu, threads %lu\n",
        mode_ == Mode::at_once ? "killed at once" : "stopped first", options_.seed, options_.processes, lock_count,
        kills_, static_cast<double>(kills_) / minutes, killed_inside_, killed_on_the_way_, stops_, board_.forks.load(),
        board_.execs.load(), board_.threads.load());
    printf(
        "acquired %lu, EOWNERDEAD %lu of at most %lu; stuck %d, wrong %lu (missed %lu, invented %lu, crashed %lu, "
        "failed calls %lu)\n",
        acquired, told, possible, stuck ? 1 : 0, wrong, board_.missed.load(), board_.invented.load(),
        board_.crashed.load(), board_.failed.load());
    if (board_.failed != 0) {
      printf("first failed call: operation %d: %s\n", board_.first_failed_operation.load(),
             strerror(board_.first_failure));
    }
  }

  const Options options_;
  const Mode mode_;
  const support::TempDir directory_;
  Board& board_;
  std::mt19937_64 random_;
  std::vector<Child> workers_;
  std::vector<pid_t> immortals_;
  uint64_t kills_ = 0, stops_ = 0, killed_inside_ = 0, killed_on_the_way_ = 0;
};

Options parse(int argc, char** argv) {
  Options options;
  if (const char* const text = getenv("SHMUTEX_CRASH_SECONDS")) options.seconds = atol(text);
  if (const char* const text = getenv("SHMUTEX_CRASH_SEED")) options.seed = strtoull(text, nullptr, 10);
  for (int i = 1; i + 1 < argc; i += 2) {
    if (strcmp(argv[i], "--seconds") == 0) options.seconds = atol(argv[i + 1]);
    if (strcmp(argv[i], "--seed") == 0) options.seed = strtoull(argv[i + 1], nullptr, 10);
    if (strcmp(argv[i], "--processes") == 0) options.processes = strtoull(argv[i + 1], nullptr, 10);
  }
  return options;
}

}  // namespace
}  // namespace crash

int main(int argc, char** argv) {
  if (argc == 4 && strcmp(argv[1], "--worker") == 0)
    return crash::hammer(argv[2], strtoull(argv[3], nullptr, 10), false);
  const crash::Options options = crash::parse(argc, argv);
  const int64_t exact = options.seconds / 4;
  int wrong = crash::Killer(options, crash::Mode::at_once).run(options.seconds - exact);
  wrong |= crash::Killer(options, crash::Mode::stopped_first).run(exact);
  return wrong;
}
