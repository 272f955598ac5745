// Waiters that are killed: asleep, woken and not yet running, at the head of the queue and behind. The others go on.
#include <errno.h>
#include <signal.h>

#include <algorithm>

#include "support/test_lock.h"
#include "support/tracee.h"

namespace {

using support::all_kinds;
using support::Child;
using support::Holder;
using support::Kind;
using support::LockTest;
using support::name_of;
using support::param_name;
using support::pass_through;
using support::TestLock;
using support::Tracee;

class WaiterDeath : public LockTest {
 protected:
  Child start_waiter() const {
    Child waiter([this] { return pass_through(m()); });
    waiter.wait_until_asleep();
    return waiter;
  }
};

// The whole queue, killed one by one from any end while the owner is inside.
TEST_P(WaiterDeath, AsleepAtAnyPlace) {
  constexpr size_t waiters = 4;
  for (unsigned killed = 1; killed < 1u << waiters; ++killed) {
    ASSERT_EQ(shmutex_lock(m()), 0);
    std::vector<Child> children;
    for (size_t i = 0; i < waiters; ++i) children.push_back(start_waiter());
    for (size_t i = 0; i < waiters; ++i) {
      if ((killed >> i & 1) != 0) children[i].kill_and_wait();
    }
    ASSERT_EQ(shmutex_unlock(m()), 0);
    for (size_t i = 0; i < waiters; ++i) {
      if ((killed >> i & 1) != 0) continue;
      EXPECT_EQ(children[i].wait(), 0);
    }
  }
  EXPECT_EQ(shmutex_trylock(m()), 0);
  EXPECT_EQ(shmutex_unlock(m()), 0);
}

TEST_P(WaiterDeath, TogetherWithTheOwner) {
  for (int i = 0; i < 10; ++i) {
    Holder holder(m());
    Child head = start_waiter();
    Child second = start_waiter();
    Child third = start_waiter();
    if (i % 2 == 0) {
      holder.process().signal(SIGKILL);
      head.signal(SIGKILL);
    } else {
      head.signal(SIGKILL);
      holder.process().signal(SIGKILL);
    }
    const int results[] = {second.wait(), third.wait()};
    // The head may have got the lock, told the news, and repaired before it died.
    EXPECT_LE(std::count(results, results + 2, EOWNERDEAD), 1);
    for (const int result : results) EXPECT_TRUE(result == 0 || result == EOWNERDEAD) << result;
    const int left = shmutex_trylock(m());
    EXPECT_EQ(left, 0);
    EXPECT_EQ(shmutex_unlock(m()), 0);
  }
}

enum class Barger { no, yes };

class WokenWaiterDeath : public testing::TestWithParam<std::tuple<Kind, int, Barger>> {
 protected:
  shmutex_t* m() const { return lock_.get(); }
  bool fair() const { return lock_.kind().fair(); }

  // Wakes the tracee, the head of the queue, so that it is stopped with the wake consumed and nothing done about it.
  void release_to(Tracee& head) const {
    for (;;) {
      ASSERT_EQ(shmutex_unlock(m()), 0);
      if (head.wait_for_end_of_sleep() == 0) return;
      // Its sleep had just ended by itself. It is stopped now and cannot get the lock: once more.
      ASSERT_EQ(shmutex_lock(m()), 0);
      head.run_until_asleep();
    }
  }

  TestLock lock_{std::get<0>(GetParam())};
};

TEST_P(WokenWaiterDeath, PassesTheWakeOn) {
  const int behind = std::get<1>(GetParam());
  const bool barged = std::get<2>(GetParam()) == Barger::yes && !fair();  // fair: it has been handed over already
  ASSERT_EQ(shmutex_lock(m()), 0);
  Tracee head([this] { return pass_through(m()); });
  head.run_until_asleep();
  std::vector<Child> children;
  for (int i = 0; i < behind; ++i) {
    children.emplace_back([this] { return pass_through(m()); });
    children.back().wait_until_asleep();
  }
  release_to(head);
  if (barged) {
    Holder barger(m());
    head.kill();
    EXPECT_EQ(barger.finish(), 0);
  } else {
    head.kill();
  }
  std::vector<int> results;
  for (Child& child : children) results.push_back(child.wait());
  results.push_back(pass_through(m()));
  const auto told = std::count(results.begin(), results.end(), EOWNERDEAD);
  const auto clean = std::count(results.begin(), results.end(), 0);
  EXPECT_EQ(told, fair() ? 1 : 0);
  EXPECT_EQ(told + clean, behind + 1);
}

// The same for the next in line, woken to become head: the baton's wake is lost with it.
TEST_P(WokenWaiterDeath, SecondInLine) {
  if (fair()) return;  // one queue, in the kernel: the first case again
  const int behind = std::get<1>(GetParam());
  ASSERT_EQ(shmutex_lock(m()), 0);
  Child head([this] { return pass_through(m()); });
  head.wait_until_asleep();
  Tracee second([this] { return pass_through(m()); });
  second.run_until_asleep();
  std::vector<Child> children;
  for (int i = 0; i < behind; ++i) {
    children.emplace_back([this] { return pass_through(m()); });
    children.back().wait_until_asleep();
  }
  ASSERT_EQ(shmutex_unlock(m()), 0);
  EXPECT_EQ(head.wait(), 0);
  second.wait_for_end_of_sleep();  // whether woken or, just then, by time
  if (std::get<2>(GetParam()) == Barger::yes) {
    Holder barger(m());
    second.kill();
    EXPECT_EQ(barger.finish(), 0);
  } else {
    second.kill();
  }
  for (Child& child : children) EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(pass_through(m()), 0);
}

// Killed on the brink of sleep: queued, the waiters bit set, and nobody there.
TEST_P(WokenWaiterDeath, AboutToSleep) {
  const int behind = std::get<1>(GetParam());
  ASSERT_EQ(shmutex_lock(m()), 0);
  Tracee head([this] { return pass_through(m()); });
  head.run_until_about_to_sleep();
  std::vector<Child> children;
  for (int i = 0; i < behind; ++i) {
    children.emplace_back([this] { return pass_through(m()); });
    children.back().wait_until_asleep();
  }
  if (std::get<2>(GetParam()) == Barger::yes) {
    ASSERT_EQ(shmutex_unlock(m()), 0);
    head.kill();
  } else {
    head.kill();
    ASSERT_EQ(shmutex_unlock(m()), 0);
  }
  for (Child& child : children) EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(pass_through(m()), 0);
}

// Random kills under load: those that are left must go on, and be told at most once for each dead one.
TEST_P(WaiterDeath, RandomKillsUnderLoad) {
  struct Load {
    std::atomic<uint64_t> rounds[4] = {};
    std::atomic<uint64_t> told{0};
  };
  support::Shared<Load> load;
  const auto start = [&](size_t slot) {
    return std::make_unique<Child>([&, slot] {
      for (;;) {
        const int result = shmutex_lock(m());
        if (result == EOWNERDEAD) {
          load->told.fetch_add(1);
          if (shmutex_consistent(m()) != 0) return 1;
        } else if (result != 0) {
          return result;
        }
        if (shmutex_unlock(m()) != 0) return 2;
        load->rounds[slot].fetch_add(1);
      }
    });
  };
  std::vector<std::unique_ptr<Child>> children;
  for (size_t slot = 0; slot < 4; ++slot) children.push_back(start(slot));
  constexpr uint64_t kills = 40;
  for (size_t i = 0; i < kills; ++i) {
    const size_t victim = i % 4;
    EXPECT_EQ(children[victim]->kill_and_wait(), 1000 + SIGKILL);
    children[victim] = start(victim);
    for (std::atomic<uint64_t>& rounds : load->rounds) {
      const uint64_t before = rounds.load();
      support::wait_until([&] { return rounds.load() > before; });
    }
  }
  EXPECT_LE(load->told.load(), kills);
}

INSTANTIATE_TEST_SUITE_P(Kinds, WaiterDeath, testing::ValuesIn(all_kinds()), param_name);

std::string name_param(const testing::TestParamInfo<std::tuple<Kind, int, Barger>>& info) {
  return name_of(std::get<0>(info.param)) + std::to_string(std::get<1>(info.param)) + "Behind" +
         (std::get<2>(info.param) == Barger::yes ? "AndABarger" : "");
}

INSTANTIATE_TEST_SUITE_P(Kinds, WokenWaiterDeath,
                         testing::Combine(testing::ValuesIn(all_kinds()), testing::Values(0, 1, 3),
                                          testing::Values(Barger::no, Barger::yes)),
                         name_param);

}  // namespace
