// Kills, stops and continues processes at random moments while they hammer locks; and counts who was told a lie.
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
#include "support/support.h"
#include "tracee.h"

namespace crash {
namespace {

constexpr int64_t longest_wait = 30 * support::second;

struct Options {
  int64_t seconds = 20;
  uint64_t seed = 1;
  size_t processes = 8;
};

class Killer {
 public:
  explicit Killer(const Options& options)
      : options_(options), board_(*map_board(directory_.path())), random_(options.seed) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
  }

  int run() {
    const int64_t start = support::now_ns();
    const int64_t end = start + options_.seconds * support::second;
    for (size_t i = 0; i < options_.processes; ++i) workers_.push_back({spawn(), 0});
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
    for (pid_t pid = 0; (pid = waitpid(-1, nullptr, 0)) > 0 || errno == EINTR;) account_for(pid);
    for (const Guarded& lock : board_.guarded) {
      if (lock.deaths_told > lock.deaths_possible) board_.invented += lock.deaths_told - lock.deaths_possible;
    }
    const uint64_t wrong = board_.missed + board_.invented + board_.failed + (stuck ? 0 : check_locks());
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
    _exit(hammer(directory_.path(), seed));
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
    reap_orphans();
  }

  void go_on(Child& worker) {
    kill(worker.pid, SIGCONT);
    worker.stopped_until = 0;
  }

  void kill_and_reap(pid_t pid) {
    kill(pid, SIGKILL);
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    account_for(pid);
  }

  // Workers' children, whose parents were killed: they die with them.
  void reap_orphans() {
    for (;;) {
      const pid_t pid = waitpid(-1, nullptr, WNOHANG);
      if (pid <= 0) break;
      account_for(pid);
      for (Child& worker : workers_) {
        if (worker.pid == pid) worker = {spawn(), 0};
      }
    }
  }

  void account_for(pid_t pid) {
    for (Slot& slot : board_.slots) {
      if (slot.pid != pid) continue;
      for (int lock = 0; lock < lock_count; ++lock) {
        const Phase phase = slot.phase[lock];
        if (phase == Phase::outside) continue;
        ++board_.guarded[lock].deaths_possible;
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
    for (int lock = 0; lock < lock_count; ++lock) {
      shmutex_info_t info{};
      info.size = sizeof info;
      if (is_in_buffer(lock) || shmutex_inspect(lock_path(directory_.path(), lock).c_str(), &info) != 0) continue;
      fprintf(stderr, "lock %d: state %u, owner %d of %d, waiters %u, token %lu, last dead %d\n", lock, info.state,
              info.owner_tid, info.owner_pid, info.waiters, info.token, info.last_dead_tid);
    }
    for (Slot& slot : board_.slots) {
      const int tid = slot.tid;
      if (slot.pid != 0) fprintf(stderr, "thread %d of %d: %s\n", tid, slot.pid.load(), describe_process(tid).c_str());
    }
  }

  bool let_all_finish() {
    for (Child& worker : workers_) go_on(worker);
    board_.stop = true;
    const int64_t limit = support::now_ns() + longest_wait;
    for (Child& worker : workers_) {
      while (waitpid(worker.pid, nullptr, WNOHANG) == 0) {
        if (support::now_ns() > limit) {
          fprintf(stderr, "STUCK: process %d does not come to its end\n", worker.pid);
          describe_all();
          return false;
        }
        support::sleep_ms(1);
      }
      account_for(worker.pid);
      worker.pid = 0;
    }
    return true;
  }

  // Each lock, by a process that comes afterwards. Returns how many are of no use.
  uint64_t check_locks() {
    support::Child visitor([this] {
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
    return static_cast<uint64_t>(visitor.wait());
  }

  void report(double minutes, bool stuck, uint64_t wrong) {
    uint64_t acquired = 0, told = 0, possible = 0;
    for (const Guarded& lock : board_.guarded) {
      acquired += lock.acquired;
      told += lock.deaths_told;
      possible += lock.deaths_possible;
    }
    printf("seed %lu, %zu processes, %d locks: kills %lu (%.0f a minute), inside %lu, on the way in or out %lu; stops %lu, "
           "forks %lu, execs %lu, threads %lu\n",
           options_.seed, options_.processes, lock_count, kills_, static_cast<double>(kills_) / minutes, killed_inside_,
           killed_on_the_way_, stops_, board_.forks.load(), board_.execs.load(), board_.threads.load());
    printf("acquired %lu, EOWNERDEAD %lu of at most %lu; stuck %d, wrong %lu (missed %lu, invented %lu, failed calls %lu)\n",
           acquired, told, possible, stuck ? 1 : 0, wrong, board_.missed.load(), board_.invented.load(), board_.failed.load());
    if (board_.failed != 0) {
      printf("first failed call: operation %d: %s\n", board_.first_failed_operation.load(), strerror(board_.first_failure));
    }
  }

  const Options options_;
  const support::TempDir directory_;
  Board& board_;
  std::mt19937_64 random_;
  std::vector<Child> workers_;
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
  if (argc == 4 && strcmp(argv[1], "--worker") == 0) return crash::hammer(argv[2], strtoull(argv[3], nullptr, 10));
  return crash::Killer(crash::parse(argc, argv)).run();
}
