// Every way for an owner to die inside: the next owner, and only that one, is told.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <thread>
#include <tuple>
#include <vector>

#include "support/test_lock.h"

namespace {

using support::all_kinds;
using support::Child;
using support::Flag;
using support::Holder;
using support::info_of;
using support::Kind;
using support::LockTest;
using support::name_of;
using support::param_name;
using support::Shared;
using support::TestLock;
using support::wait_until_zombie;

struct Scenario {
  Flag held;
  Flag die;
  std::atomic<pid_t> owner_tid{0};
};

void acquire_and_tell(shmutex_t* m, int depth, Scenario& scenario) {
  for (int i = 0; i < depth; ++i) EXPECT_EQ(shmutex_lock(m), 0);
  scenario.owner_tid.store(gettid());
  scenario.held.raise();
}

[[noreturn]] void sleep_for_ever() {
  for (;;) pause();
}

// Starts a thread without std::thread's frames, which pthread_exit() would have to unwind.
struct ThreadTask {
  shmutex_t* m;
  int depth;
  Scenario* scenario;
};

pthread_t start_thread(void* (*function)(void*), ThreadTask& task) {
  pthread_t thread{};
  EXPECT_EQ(pthread_create(&thread, nullptr, function, &task), 0);
  return thread;
}

void* hold_in_thread(void* argument) {
  const auto& task = *static_cast<ThreadTask*>(argument);
  acquire_and_tell(task.m, task.depth, *task.scenario);
  task.scenario->die.wait();
  return nullptr;
}

void* hold_and_exit_thread(void* argument) {
  hold_in_thread(argument);
  pthread_exit(nullptr);
}

void* hold_and_exec(void* argument) {
  hold_in_thread(argument);
  execl("/bin/sleep", "sleep", "1000", nullptr);
  _exit(240);
}

void* hold_and_sleep(void* argument) {
  const auto& task = *static_cast<ThreadTask*>(argument);
  acquire_and_tell(task.m, task.depth, *task.scenario);
  sleep_for_ever();
}

void* only_sleep(void*) { sleep_for_ever(); }

struct Way {
  const char* name;
  void (*live_and_die)(ThreadTask task);  // the owner's process; does not return
  bool only_the_probe_finds_it;
  bool by_sigkill;
};

const Way ways[] = {
    {"SigkillWhileAsleep", [](ThreadTask task) { hold_and_sleep(&task); }, false, true},
    {"SigkillOfAThreadsProcess",
     [](ThreadTask task) {
       start_thread(hold_and_sleep, task);
       sleep_for_ever();
     },
     false, true},
    {"SigkillWhileRunning",
     [](ThreadTask task) {
       acquire_and_tell(task.m, task.depth, *task.scenario);
       for (;;) std::atomic_signal_fence(std::memory_order_seq_cst);
     },
     false, true},
    {"UnderscoreExit",
     [](ThreadTask task) {
       hold_in_thread(&task);
       _exit(7);
     },
     false, false},
    {"Exit",
     [](ThreadTask task) {
       hold_in_thread(&task);
       exit(7);
     },
     false, false},
    {"ExitByAnotherThread",
     [](ThreadTask task) {
       start_thread(hold_and_sleep, task);
       task.scenario->die.wait();
       exit(7);
     },
     false, false},
    {"Abort",
     [](ThreadTask task) {
       constexpr rlimit none{0, 0};
       setrlimit(RLIMIT_CORE, &none);
       hold_in_thread(&task);
       abort();
     },
     false, false},
    {"ExecByTheMainThread", [](ThreadTask task) { hold_and_exec(&task); }, false, false},
    {"ExecByTheMainThreadWithAnotherHolding",
     [](ThreadTask task) {
       start_thread(hold_and_sleep, task);
       task.scenario->die.wait();
       execl("/bin/sleep", "sleep", "1000", nullptr);
     },
     false, false},
    {"ExecByAnotherThreadWithTheMainOneHolding",
     [](ThreadTask task) {
       std::thread([scenario = task.scenario] {
         scenario->die.wait();
         execl("/bin/sleep", "sleep", "1000", nullptr);
       }).detach();
       hold_and_sleep(&task);
     },
     false, false},
    {"ExecByAnotherThread",
     [](ThreadTask task) {
       start_thread(hold_and_exec, task);
       sleep_for_ever();
     },
     true, false},
    {"ThreadReturns",
     [](ThreadTask task) {
       start_thread(hold_in_thread, task);
       sleep_for_ever();
     },
     false, false},
    {"ThreadExits",
     [](ThreadTask task) {
       start_thread(hold_and_exit_thread, task);
       sleep_for_ever();
     },
     false, false},
    {"MainThreadExitsAlone",
     [](ThreadTask task) {
       pthread_t other{};
       pthread_create(&other, nullptr, only_sleep, nullptr);
       hold_in_thread(&task);
       syscall(SYS_exit, 0);
     },
     false, false},
};

using Param = std::tuple<Kind, Way, int>;

void PrintTo(const Way& way, std::ostream* out) { *out << way.name; }

class OwnerDeath : public testing::TestWithParam<Param> {
 protected:
  shmutex_t* m() const { return lock_.get(); }
  const Way& way() const { return std::get<1>(GetParam()); }
  int waiters() const { return std::get<2>(GetParam()); }
  int depth() const { return std::get<0>(GetParam()).recursive() ? 3 : 1; }

  void expect_told(shmutex_t* lock) const {
    const shmutex_info_t info = info_of(lock);
    EXPECT_EQ(info.state, static_cast<uint32_t>(SHMUTEX_STATE_HELD));
    EXPECT_EQ(info.owner_tid, gettid());
    EXPECT_EQ(info.owner_pid, getpid());
    EXPECT_EQ(info.depth, 1u);
    EXPECT_EQ(info.last_dead_tid, scenario_->owner_tid.load());
  }

  mutable Shared<Scenario> scenario_;
  TestLock lock_{std::get<0>(GetParam())};
};

TEST_P(OwnerDeath, IsToldToTheNextOwnerOnly) {
  const uint64_t first_token = shmutex_token(m());
  Child owner([this] {
    way().live_and_die({m(), depth(), &*scenario_});
    return 241;
  });
  scenario_->held.wait();
  EXPECT_EQ(info_of(m()).depth, static_cast<uint32_t>(depth()));
  EXPECT_EQ(info_of(m()).owner_tid, scenario_->owner_tid.load());
  EXPECT_EQ(info_of(m()).owner_pid, owner.pid());

  std::vector<Child> children;
  for (int i = 0; i < waiters(); ++i) {
    children.emplace_back([this] {
      const int result = shmutex_lock(m());
      if (result == EOWNERDEAD) {
        expect_told(m());
        EXPECT_EQ(shmutex_consistent(m()), 0);
      }
      EXPECT_EQ(shmutex_unlock(m()), 0);
      return testing::Test::HasFailure() ? 1 : result;
    });
    children.back().wait_until_asleep();
  }
  if (way().by_sigkill) {
    owner.signal(SIGKILL);  // and it stays a zombie: nobody reaps it
  } else {
    scenario_->die.raise();
  }

  int told = 0;
  for (Child& child : children) {
    const int result = child.wait();
    EXPECT_TRUE(result == 0 || result == EOWNERDEAD) << result;
    if (result == EOWNERDEAD) ++told;
  }
  if (waiters() == 0) {
    EXPECT_EQ(shmutex_lock(m()), EOWNERDEAD) << shmutex_error_detail();
    expect_told(m());
    EXPECT_EQ(shmutex_consistent(m()), 0);
    EXPECT_EQ(shmutex_unlock(m()), 0);
  } else {
    EXPECT_EQ(told, 1);
  }
  EXPECT_EQ(shmutex_trylock(m()), 0);
  EXPECT_EQ(shmutex_consistent(m()), EINVAL);
  EXPECT_EQ(shmutex_unlock(m()), 0);
  const shmutex_info_t info = info_of(m());
  EXPECT_EQ(info.recoveries, 1u);
  EXPECT_EQ(info.state, static_cast<uint32_t>(SHMUTEX_STATE_FREE));
  EXPECT_EQ(info.token - first_token, 1u + static_cast<uint64_t>(waiters() == 0 ? 1 : waiters()) + 1u);
}

std::string name_param(const testing::TestParamInfo<Param>& info) {
  return name_of(std::get<0>(info.param)) + std::get<1>(info.param).name + std::to_string(std::get<2>(info.param)) +
         "Waiters";
}

INSTANTIATE_TEST_SUITE_P(Ways, OwnerDeath,
                         testing::Combine(testing::ValuesIn(all_kinds()), testing::ValuesIn(ways),
                                          testing::Values(0, 1, 4)),
                         name_param);

using OwnerGone = LockTest;

// The kernel is done with a zombie: no waiting, no probing, before anybody reaps it.
TEST_P(OwnerGone, ZombieIsDeadForTrylock) {
  Holder holder(m());
  holder.process().signal(SIGKILL);
  wait_until_zombie(holder.pid());
  EXPECT_EQ(info_of(m()).state, static_cast<uint32_t>(SHMUTEX_STATE_OWNER_DIED));
  EXPECT_EQ(info_of(m()).owner_tid, 0);
  EXPECT_EQ(info_of(m()).depth, 0u);
  EXPECT_EQ(support::thread_state(holder.pid()), 'Z');
  EXPECT_EQ(shmutex_trylock(m()), EOWNERDEAD);
  EXPECT_EQ(shmutex_consistent(m()), 0);
  EXPECT_EQ(shmutex_unlock(m()), 0);
}

TEST_P(OwnerGone, EveryWayToAcquireTells) {
  for (int i = 0; i < 5; ++i) {
    Holder holder(m());
    holder.process().kill_and_wait();
    int result = 0;
    switch (i) {
      case 0: result = shmutex_lock(m()); break;
      case 1: result = shmutex_trylock(m()); break;
      case 2: result = shmutex_timedlock(m(), 0); break;
      case 3: result = shmutex_timedlock(m(), support::second); break;
      default: result = shmutex_acquire(m(), -1, SHMUTEX_INTERRUPTIBLE); break;
    }
    EXPECT_EQ(result, EOWNERDEAD);
    EXPECT_EQ(shmutex_is_owned(m()), 1);
    EXPECT_EQ(shmutex_consistent(m()), 0);
    EXPECT_EQ(shmutex_unlock(m()), 0);
  }
}

// The kernel has given a thread that calls execve the TID of the main thread before it walks the list: a death that it
// does not report, and that nobody waits for.
class Unreported : public LockTest {
 protected:
  // Somebody holds, and is gone; the process lives on.
  Child lose_an_owner() {
    Shared<Scenario> scenario;
    Child process([&] {
      ThreadTask task{m(), 1, &*scenario};
      start_thread(hold_and_exec, task);
      sleep_for_ever();
      return 0;
    });
    scenario->held.wait();
    const auto owner = static_cast<pid_t>(info_of(m()).owner_tid);
    scenario->die.raise();
    support::wait_until([&] { return support::thread_state(owner) == 0; });
    return process;
  }

  void expect_told(const std::function<int()>& acquire, int refusal) const {
    int result = refusal;
    support::wait_until([&] {
      result = acquire();
      return result != refusal;
    });
    EXPECT_EQ(result, EOWNERDEAD);
    EXPECT_EQ(shmutex_consistent(m()), 0);
    EXPECT_EQ(shmutex_unlock(m()), 0);
  }
};

TEST_P(Unreported, IsFoundByWhoeverTries) {
  const Child first = lose_an_owner();
  expect_told([this] { return shmutex_trylock(m()); }, EBUSY);
  const Child second = lose_an_owner();
  expect_told([this] { return shmutex_timedlock(m(), 0); }, ETIMEDOUT);
  const Child third = lose_an_owner();
  expect_told([this] { return shmutex_timedlock(m(), 5 * support::millisecond); }, ETIMEDOUT);
  const Child fourth = lose_an_owner();
  expect_told([this] { return shmutex_acquire(m(), support::millisecond, SHMUTEX_INTERRUPTIBLE); }, ETIMEDOUT);
}

// A thread that tries several locks in turn finds the one.
TEST_P(Unreported, IsFoundAmongOthers) {
  std::vector<std::unique_ptr<TestLock>> others;
  std::vector<std::unique_ptr<Holder>> holders;
  for (int i = 0; i < 3; ++i) {
    others.push_back(std::make_unique<TestLock>(kind()));
    holders.push_back(std::make_unique<Holder>(others.back()->get()));
  }
  const Child process = lose_an_owner();
  expect_told(
      [&] {
        for (const auto& other : others) EXPECT_EQ(shmutex_trylock(other->get()), EBUSY);
        return shmutex_trylock(m());
      },
      EBUSY);
}

TEST_P(Unreported, IsFoundByARemoval) {
  const Child process = lose_an_owner();
  expect_told([this] { return shmutex_trylock(m()); }, EBUSY);  // somebody has just asked
  const Child another = lose_an_owner();
  if (kind().in_buffer) {
    EXPECT_EQ(shmutex_destroy(lock_.memory(), SHMUTEX_SIZE), 0) << shmutex_error_detail();
  } else {
    EXPECT_EQ(shmutex_unlink(lock_.address().c_str(), 0), 0) << shmutex_error_detail();
  }
  EXPECT_EQ(shmutex_lock(m()), EIDRM);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Unreported, testing::ValuesIn(all_kinds()), param_name);

// A thread dies inside, a thread of the same process takes over, and dies with the process: as well reported by the
// kernel as any other death. The waiter, woken by the dying thread, may be faster than the end of that thread.
TEST_P(OwnerGone, WaiterInTheSameProcessDiesToo) {
  for (int round = 0; round < 16; ++round) {
    const bool waits = round % 2 == 0;
    Shared<Scenario> scenario;
    Shared<Flag> inherited;
    Child process([&] {
      ThreadTask task{m(), 1, &*scenario};
      const pthread_t owner = start_thread(hold_and_exit_thread, task);
      scenario->held.wait();
      if (!waits) {
        scenario->die.raise();
        pthread_join(owner, nullptr);
      }
      const int result = shmutex_lock(m());  // if it waits, the test lets the owner die
      if (result == EOWNERDEAD && shmutex_consistent(m()) == 0) inherited->raise();
      sleep_for_ever();
      return 0;
    });
    scenario->held.wait();
    if (waits) {
      process.wait_until_asleep();
      support::wait_until([&] { return info_of(m()).waiters == 1; });
      scenario->die.raise();
    }
    inherited->wait();
    process.signal(SIGKILL);
    wait_until_zombie(process.pid());
    EXPECT_EQ(shmutex_trylock(m()), EOWNERDEAD) << "waits: " << waits;
    if (shmutex_is_owned(m()) == 0) {
      EXPECT_EQ(shmutex_lock(m()), EOWNERDEAD);  // found by the probe
    }
    EXPECT_EQ(shmutex_consistent(m()), 0);
    EXPECT_EQ(shmutex_unlock(m()), 0);
  }
}

// Another program, which has opened the lock by itself.
TEST_P(OwnerGone, ExecedOwnerAndExecedNext) {
  const std::string address = lock_.address();
  const std::string attributes = std::to_string(kind().attributes);
  int ends[2] = {-1, -1};
  ASSERT_EQ(pipe(ends), 0);
  const std::string fd = std::to_string(ends[1]);
  Child owner([&] {
    execl(TEST_PEER, TEST_PEER, address.c_str(), attributes.c_str(), "hold", fd.c_str(), nullptr);
    return 242;
  });
  char byte = 0;
  ASSERT_EQ(read(ends[0], &byte, 1), 1);
  EXPECT_EQ(info_of(m()).owner_pid, owner.pid());
  const auto pass = [&] {
    execl(TEST_PEER, TEST_PEER, address.c_str(), attributes.c_str(), "pass", nullptr);
    return 242;
  };
  owner.kill_and_wait();
  EXPECT_EQ(Child(pass).wait(), EOWNERDEAD);
  EXPECT_EQ(Child(pass).wait(), 0);
  close(ends[0]);
  close(ends[1]);
}

INSTANTIATE_TEST_SUITE_P(Kinds, OwnerGone, testing::ValuesIn(all_kinds()), param_name);

}  // namespace
