// After fork, raw clone, vfork: the child has valid handles and holds nothing; what its parent holds stays held.
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <thread>

#include "support/test_lock.h"

namespace {

using support::all_kinds;
using support::Child;
using support::expectations_status;
using support::Flag;
using support::Holder;
using support::info_of;
using support::LockTest;
using support::millisecond;
using support::param_name;
using support::pass_through;
using support::Shared;
using support::wait_until_asleep;

// A child that libc's fork handlers do not hear of. Exit status as support::Child::wait().
int run_in_raw_clone(const std::function<int()>& body) {
  fflush(nullptr);
  const long pid = syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    _exit(body());
  }
  int status = 0;
  while (waitpid(static_cast<pid_t>(pid), &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

int run_in_fork(const std::function<int()>& body) { return Child(body).wait(); }

class Fork : public LockTest {
 protected:
  void expect_mine() const {
    EXPECT_EQ(shmutex_is_owned(m()), 1);
    const shmutex_info_t info = info_of(m());
    EXPECT_EQ(info.owner_tid, gettid());
    EXPECT_EQ(info.owner_pid, getpid());
  }

  // In the child of a holder.
  void expect_not_mine() const {
    EXPECT_EQ(shmutex_is_owned(m()), 0);
    EXPECT_EQ(shmutex_unlock(m()), EPERM);
    EXPECT_EQ(shmutex_consistent(m()), EPERM);
    EXPECT_EQ(shmutex_poison(m()), EPERM);
    EXPECT_EQ(shmutex_trylock(m()), EBUSY);
    EXPECT_EQ(shmutex_timedlock(m(), 0), ETIMEDOUT);
    EXPECT_EQ(shmutex_timedlock(m(), 20 * millisecond), ETIMEDOUT);
    EXPECT_EQ(shmutex_is_owned(m()), 0);
  }

  // In a child, the lock being free.
  void expect_usable() const {
    EXPECT_EQ(shmutex_lock(m()), 0);
    EXPECT_EQ(shmutex_is_owned(m()), 1);
    EXPECT_EQ(info_of(m()).owner_pid, static_cast<pid_t>(syscall(SYS_getpid)));
    EXPECT_EQ(shmutex_unlock(m()), 0);
  }
};

TEST_P(Fork, ChildOfAHolderHoldsNothing) {
  for (const auto run : {run_in_fork, run_in_raw_clone}) {
    EXPECT_EQ(shmutex_lock(m()), 0);
    if (kind().recursive()) {
      EXPECT_EQ(shmutex_lock(m()), 0);
    }
    EXPECT_EQ(run([this] {
                expect_not_mine();
                return expectations_status();
              }),
              0);
    // The child has exited, with the parent's lock in its memory: nothing of that concerns the lock.
    expect_mine();
    if (kind().recursive()) {
      EXPECT_EQ(info_of(m()).depth, 2u);
      EXPECT_EQ(shmutex_unlock(m()), 0);
    }
    EXPECT_EQ(shmutex_unlock(m()), 0);
    EXPECT_EQ(shmutex_trylock(m()), 0);
    EXPECT_EQ(shmutex_unlock(m()), 0);
  }
}

TEST_P(Fork, ChildThatDiesAbruptlyDoesNotHarmTheHolder) {
  EXPECT_EQ(shmutex_lock(m()), 0);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(run_in_fork([i] { return i == 0 ? raise(SIGKILL) : i; }), i == 0 ? 1000 + SIGKILL : i);
    EXPECT_EQ(run_in_raw_clone([i] { return i; }), i);
    expect_mine();
  }
  EXPECT_EQ(shmutex_unlock(m()), 0);
}

TEST_P(Fork, ChildWaitsForItsParent) {
  EXPECT_EQ(shmutex_lock(m()), 0);
  Child child([this] { return pass_through(m()); });
  child.wait_until_asleep();
  EXPECT_EQ(shmutex_unlock(m()), 0);
  EXPECT_EQ(child.wait(), 0);
}

// The holder forks and dies; its child, an orphan then, is told, and so is one that comes later.
TEST_P(Fork, ParentsDeathIsSeenByItsChild) {
  struct Scenario {
    std::atomic<pid_t> child{0};
    std::atomic<int> result{-1};
  };
  for (const bool waits : {true, false}) {
    Shared<Scenario> scenario;
    Shared<Flag> go;
    Child parent([&] {
      EXPECT_EQ(shmutex_lock(m()), 0);
      if (fork() == 0) {
        alarm(100);  // nobody kills it should it hang
        scenario->child.store(getpid());
        if (!waits) go->wait();
        scenario->result.store(pass_through(m()));
        _exit(0);
      }
      for (;;) pause();
      return 0;
    });
    support::wait_until([&] { return scenario->child.load() != 0; });
    if (waits) wait_until_asleep(scenario->child.load());
    parent.kill_and_wait();
    go->raise();
    support::wait_until([&] { return scenario->result.load() >= 0; });
    EXPECT_EQ(scenario->result.load(), EOWNERDEAD);
    EXPECT_EQ(pass_through(m()), 0);
  }
}

TEST_P(Fork, HandlesWorkInChildrenAndGrandchildren) {
  expect_usable();
  for (const auto run : {run_in_fork, run_in_raw_clone}) {
    const int status = run([this, run] {
      expect_usable();
      EXPECT_EQ(shmutex_lock(m()), 0);
      const int grandchild = run([this] {
        expect_not_mine();
        return expectations_status();
      });
      EXPECT_EQ(grandchild, 0);
      EXPECT_EQ(shmutex_is_owned(m()), 1);
      EXPECT_EQ(shmutex_unlock(m()), 0);
      EXPECT_EQ(run([this] {
                  expect_usable();
                  return expectations_status();
                }),
                0);
      expect_usable();
      return expectations_status();
    });
    EXPECT_EQ(status, 0);
    expect_usable();
  }
}

TEST_P(Fork, ChildrenDieInsideAndAreSeen) {
  for (const auto run : {run_in_fork, run_in_raw_clone}) {
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(run([this] { return shmutex_lock(m()); }), 0);
      EXPECT_EQ(pass_through(m()), EOWNERDEAD);
      EXPECT_EQ(pass_through(m()), 0);
    }
  }
}

TEST_P(Fork, RawCloneDiesInsideUnderWaiters) {
  Shared<Flag> held;
  Shared<Flag> die;
  Child starter([&] {
    return run_in_raw_clone([&] {
      const int result = shmutex_lock(m());
      held->raise();
      die->wait();
      return result;
    });
  });
  held->wait();
  Child first([this] { return pass_through(m()); });
  first.wait_until_asleep();
  Child second([this] { return pass_through(m()); });
  second.wait_until_asleep();
  die->raise();
  EXPECT_EQ(first.wait() + second.wait(), EOWNERDEAD);
  EXPECT_EQ(starter.wait(), 0);
}

TEST_P(Fork, CountersOfManyGenerations) {
  struct Count {
    volatile uint64_t value = 0;
  };
  Shared<Count> count;
  const std::function<int(int)> work = [&](int generation) {
    for (int i = 0; i < 300; ++i) {
      if (shmutex_lock(m()) != 0) return 1;
      count->value = count->value + 1;
      if (shmutex_unlock(m()) != 0) return 1;
    }
    if (generation == 0) return 0;
    Child left([&] { return work(generation - 1); });
    Child right([&] { return work(generation - 1); });
    return left.wait() + right.wait();
  };
  EXPECT_EQ(work(3), 0);
  EXPECT_EQ(count->value, 300u * 15);
}

TEST_P(Fork, WaitersProcessForks) {
  Holder holder(m());
  Shared<Flag> ready;
  Child waiters_process([&] {
    std::atomic<pid_t> tid{0};
    std::thread waiter([&] {
      tid.store(gettid());
      EXPECT_EQ(pass_through(m()), 0);
    });
    support::wait_until([&] { return tid.load() != 0; });
    wait_until_asleep(tid.load());
    const int closed = run_in_fork([this] {
      expect_not_mine();
      // The waiter did not come along: here nobody is inside.
      EXPECT_EQ(shmutex_close(m()), 0) << shmutex_error_detail();
      return expectations_status();
    });
    EXPECT_EQ(closed, 0);
    EXPECT_EQ(shmutex_close(m()), EBUSY);
    EXPECT_EQ(run_in_fork([] { return raise(SIGKILL); }), 1000 + SIGKILL);
    Child also_waits([this] { return pass_through(m()); });
    also_waits.wait_until_asleep();
    ready->raise();
    EXPECT_EQ(also_waits.wait(), 0);
    waiter.join();
    return expectations_status();
  });
  ready->wait();
  EXPECT_EQ(holder.finish(), 0);
  EXPECT_EQ(waiters_process.wait(), 0);
}

TEST_P(Fork, ChildMayCloseWhatItsParentHolds) {
  EXPECT_EQ(shmutex_lock(m()), 0);
  for (const auto run : {run_in_fork, run_in_raw_clone}) {
    EXPECT_EQ(run([this] {
                EXPECT_EQ(shmutex_close(m()), 0) << shmutex_error_detail();
                shmutex_t* const again = lock_.open();
                EXPECT_EQ(shmutex_trylock(again), EBUSY);
                EXPECT_EQ(shmutex_close(again), 0);
                return expectations_status();
              }),
              0);
  }
  expect_mine();
  EXPECT_EQ(shmutex_unlock(m()), 0);
}

TEST_P(Fork, VforkAndSpawnAreHarmless) {
  EXPECT_EQ(shmutex_lock(m()), 0);
  char name[] = "true";
  char* const arguments[] = {name, nullptr};
  char* const environment[] = {nullptr};
  for (int i = 0; i < 5; ++i) {
    pid_t pid = -1;
    int status = -1;
    ASSERT_EQ(posix_spawn(&pid, "/bin/true", nullptr, nullptr, arguments, environment), 0);
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
    pid = vfork();
    if (pid == 0) {
      execve("/bin/true", arguments, environment);
      _exit(1);
    }
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
    expect_mine();
  }
  EXPECT_EQ(shmutex_unlock(m()), 0);
  EXPECT_EQ(run_in_fork([this] {
              expect_usable();
              return expectations_status();
            }),
            0);
}

// A handler that forks while its thread waits: parent and child both go on waiting, each for itself.
volatile sig_atomic_t forks_left = 0;
volatile pid_t forked = -1;  // in the waiter its child's PID, 0 in that child

void fork_in_handler(int) {
  if (forks_left == 0) return;
  forks_left = 0;
  forked = fork();
}

class ForkAmidWait : public Fork {
 protected:
  // The whole life of a waiter whose handler forks. Both must end with `expected`; who acquired is owner under its own
  // name.
  int wait_and_fork(int64_t limit, unsigned flags, int expected) {
    struct sigaction action {};
    action.sa_handler = fork_in_handler;
    action.sa_flags = GetParam().recursive() ? SA_RESTART : 0;
    forks_left = 1;
    sigaction(SIGUSR1, &action, nullptr);
    const pid_t before = getpid();
    int result = 0;
    do {
      result = shmutex_acquire(m(), limit, flags);
    } while (result == EINTR && forked == -1);  // it may come without a handler
    const bool is_child = getpid() != before;
    EXPECT_EQ(result, expected) << (is_child ? "child: " : "parent: ") << shmutex_error_detail();
    if (result == 0) {
      expect_mine();
      EXPECT_EQ(shmutex_unlock(m()), 0) << shmutex_error_detail();
    } else {
      EXPECT_EQ(shmutex_is_owned(m()), 0);
    }
    const int status = expectations_status();
    if (is_child) _exit(status);
    int child_status = -1;
    while (waitpid(forked, &child_status, 0) < 0 && errno == EINTR) {
    }
    EXPECT_EQ(child_status, 0);
    return expectations_status();
  }

  static void fork_inside(const Child& waiter) {
    waiter.wait_until_asleep();
    waiter.signal(SIGUSR1);
    support::wait_until([&] { return has_a_child(waiter.pid()); });
  }
  static bool has_a_child(pid_t pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    FILE* const file = fopen(path, "r");
    long child = 0;
    const bool has = file != nullptr && fscanf(file, "%ld", &child) == 1;
    if (file != nullptr) fclose(file);
    return has;
  }
};

// As head waiter, and behind one.
TEST_P(ForkAmidWait, BothAcquire) {
  for (const bool behind : {false, true}) {
    for (const int64_t limit : {int64_t{-1}, 100 * support::second}) {
      Holder holder(m());
      std::unique_ptr<Child> head;
      if (behind) {
        head = std::make_unique<Child>([this] { return pass_through(m()); });
        head->wait_until_asleep();
      }
      Child waiter([&] { return wait_and_fork(limit, 0, 0); });
      fork_inside(waiter);
      Child last([this] { return pass_through(m()); });
      last.wait_until_asleep();
      EXPECT_EQ(info_of(m()).owner_tid, holder.pid());
      EXPECT_EQ(holder.finish(), 0);
      EXPECT_EQ(waiter.wait(), 0);
      EXPECT_EQ(last.wait(), 0);
      if (head) {
        EXPECT_EQ(head->wait(), 0);
      }
      EXPECT_EQ(info_of(m()).state, uint32_t{SHMUTEX_STATE_FREE});
      EXPECT_EQ(info_of(m()).waiters, 0u);
    }
  }
}

TEST_P(ForkAmidWait, BothTimeOut) {
  for (const bool behind : {false, true}) {
    Holder holder(m());
    std::unique_ptr<Child> head;
    if (behind) {
      head = std::make_unique<Child>([this] { return pass_through(m()); });
      head->wait_until_asleep();
    }
    Child waiter([&] { return wait_and_fork(700 * millisecond, 0, ETIMEDOUT); });
    fork_inside(waiter);
    EXPECT_EQ(waiter.wait(), 0);
    EXPECT_EQ(holder.finish(), 0);
    if (head) {
      EXPECT_EQ(head->wait(), 0);
    }
    EXPECT_EQ(pass_through(m()), 0);
  }
}

TEST_P(ForkAmidWait, BothAreInterrupted) {
  for (const bool behind : {false, true}) {
    Holder holder(m());
    std::unique_ptr<Child> head;
    if (behind) {
      head = std::make_unique<Child>([this] { return pass_through(m()); });
      head->wait_until_asleep();
    }
    Child waiter([&] { return wait_and_fork(-1, SHMUTEX_INTERRUPTIBLE, EINTR); });
    waiter.wait_until_asleep();
    waiter.signal(SIGUSR1);
    EXPECT_EQ(waiter.wait(), 0);
    EXPECT_EQ(holder.finish(), 0);
    if (head) {
      EXPECT_EQ(head->wait(), 0);
    }
    EXPECT_EQ(pass_through(m()), 0);
  }
}

// The child dies as owner or as waiter, and its parent does not: each death is told once, and nobody is stuck.
TEST_P(ForkAmidWait, TheChildDiesHolding) {
  Holder holder(m());
  Child waiter([&] {
    struct sigaction action {};
    action.sa_handler = fork_in_handler;
    forks_left = 1;
    sigaction(SIGUSR1, &action, nullptr);
    const pid_t before = getpid();
    const int result = shmutex_lock(m());
    if (getpid() != before) {
      EXPECT_TRUE(result == 0 || result == EOWNERDEAD);
      raise(SIGKILL);
    }
    if (result == EOWNERDEAD) {
      EXPECT_EQ(shmutex_consistent(m()), 0);
    }
    EXPECT_EQ(shmutex_unlock(m()), 0);
    int status = -1;
    while (waitpid(forked, &status, 0) < 0 && errno == EINTR) {
    }
    EXPECT_TRUE(WIFSIGNALED(status));
    // Whoever was first.
    const int again = result == EOWNERDEAD ? 0 : EOWNERDEAD;
    EXPECT_EQ(shmutex_lock(m()), again);
    if (again == EOWNERDEAD) {
      EXPECT_EQ(shmutex_consistent(m()), 0);
    }
    EXPECT_EQ(shmutex_unlock(m()), 0);
    return expectations_status();
  });
  fork_inside(waiter);
  EXPECT_EQ(holder.finish(), 0);
  EXPECT_EQ(waiter.wait(), 0);
  EXPECT_EQ(pass_through(m()), 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, ForkAmidWait, testing::ValuesIn(all_kinds()), param_name);

INSTANTIATE_TEST_SUITE_P(Kinds, Fork, testing::ValuesIn(all_kinds()), param_name);

}  // namespace
