// Signal handlers that run during a wait.
#include <errno.h>
#include <signal.h>

#include "support/test_lock.h"
#include "support/tracee.h"

namespace {

using support::all_kinds;
using support::Child;
using support::expectations_status;
using support::Kind;
using support::millisecond;
using support::name_of;
using support::pass_through;
using support::Shared;
using support::TestLock;
using support::Tracee;

std::atomic<int>* handler_runs;

struct Param {
  Kind kind;
  bool restart;
};

void PrintTo(const Param& param, std::ostream* out) { *out << name_of(param.kind) << (param.restart ? "Restart" : ""); }

class Signals : public testing::TestWithParam<Param> {
 protected:
  Signals() { handler_runs = &*runs_; }

  void install_handler() const {
    struct sigaction action {};
    action.sa_handler = [](int) { handler_runs->fetch_add(1); };
    action.sa_flags = GetParam().restart ? SA_RESTART : 0;
    sigaction(SIGUSR1, &action, nullptr);
  }
  // One that runs before the wait begins, or before it sleeps again, may go unnoticed: so often, as a user would press
  // Ctrl-C.
  static int interrupt(Child& waiter) {
    while (support::thread_state(waiter.pid()) != 'Z') {
      waiter.signal(SIGUSR1);
      support::sleep_ms(5);
    }
    return waiter.wait();
  }
  shmutex_t* m() const { return lock_.get(); }
  bool fair() const { return GetParam().kind.fair(); }

  Shared<std::atomic<int>> runs_;
  TestLock lock_{GetParam().kind};
};

TEST_P(Signals, EndAnInterruptibleWait) {
  ASSERT_EQ(shmutex_lock(m()), 0);
  for (const int64_t limit : {int64_t{-1}, 100 * support::second, INT64_MAX}) {
    const int runs_before = runs_->load();
    Child waiter([this, limit, runs_before] {
      install_handler();
      int result = EINTR;
      // Fair: EINTR may come without a handler.
      while (result == EINTR && runs_->load() == runs_before)
        result = shmutex_acquire(m(), limit, SHMUTEX_INTERRUPTIBLE);
      EXPECT_EQ(shmutex_is_owned(m()), 0);
      EXPECT_EQ(result, EINTR);
      EXPECT_EQ(shmutex_unlock(m()), EPERM);
      return expectations_status();
    });
    waiter.wait_until_asleep();
    EXPECT_EQ(interrupt(waiter), 0);
    EXPECT_GT(runs_->load(), runs_before);
  }
  ASSERT_EQ(shmutex_unlock(m()), 0);
  EXPECT_EQ(shmutex_trylock(m()), 0);
  EXPECT_EQ(shmutex_unlock(m()), 0);
}

TEST_P(Signals, EndTheWaitOfTheSecondInLine) {
  ASSERT_EQ(shmutex_lock(m()), 0);
  Child head([this] { return pass_through(m()); });
  head.wait_until_asleep();
  Child waiter([this] {
    install_handler();
    int result = EINTR;
    while (result == EINTR && runs_->load() == 0) result = shmutex_acquire(m(), -1, SHMUTEX_INTERRUPTIBLE);
    return result;
  });
  waiter.wait_until_asleep();
  EXPECT_EQ(interrupt(waiter), EINTR);
  ASSERT_EQ(shmutex_unlock(m()), 0);
  EXPECT_EQ(head.wait(), 0);
}

// Longer than a second: EINTR, whether or not a handler ran (shmutex_acquire() in shmutex.h).
TEST_P(Signals, LongInterruptibleWaitsEndByThemselves) {
  if (GetParam().restart) return;  // there is no handler
  ASSERT_EQ(shmutex_lock(m()), 0);
  Child head([this] { return shmutex_acquire(m(), -1, SHMUTEX_INTERRUPTIBLE); });
  head.wait_until_asleep();
  Child second([this] { return shmutex_acquire(m(), 1000 * support::second, SHMUTEX_INTERRUPTIBLE); });
  EXPECT_EQ(head.wait(), EINTR);
  EXPECT_EQ(second.wait(), EINTR);
  ASSERT_EQ(shmutex_unlock(m()), 0);
}

// The head waiter that gives up passes its place on.
TEST_P(Signals, InterruptedHeadWaiterLeavesNobodyAsleep) {
  ASSERT_EQ(shmutex_lock(m()), 0);
  Child head([this] {
    install_handler();
    int result = EINTR;
    while (result == EINTR && runs_->load() == 0) result = shmutex_acquire(m(), -1, SHMUTEX_INTERRUPTIBLE);
    return result;
  });
  head.wait_until_asleep();
  Child next([this] { return pass_through(m()); });
  next.wait_until_asleep();
  EXPECT_EQ(interrupt(head), EINTR);
  ASSERT_EQ(shmutex_unlock(m()), 0);
  EXPECT_EQ(next.wait(), 0);
}

// The waiter sleeps in slices. A handler that runs just when one has ended is one that ran during the wait: it ends the
// wait, if only with the next slice.
TEST_P(Signals, BetweenTwoSleepsOfOneWait) {
  for (const bool second : {false, true}) {
    ASSERT_EQ(shmutex_lock(m()), 0);
    std::vector<Child> head;
    if (second) {
      head.emplace_back([this] { return pass_through(m()); });
      head.back().wait_until_asleep();
    }
    Tracee waiter([this] {
      install_handler();
      return shmutex_acquire(m(), 10 * support::second, SHMUTEX_INTERRUPTIBLE);
    });
    long result = 0;
    do {
      waiter.run_until_asleep();
      result = waiter.wait_for_end_of_sleep();
    } while (result != -ETIMEDOUT);
    EXPECT_EQ(waiter.detach_and_wait(SIGUSR1), EINTR);
    ASSERT_EQ(shmutex_unlock(m()), 0);
    for (Child& child : head) EXPECT_EQ(child.wait(), 0);
  }
}

TEST_P(Signals, DoNotEndOtherWaits) {
  for (const int64_t limit : {int64_t{-1}, 100 * support::second}) {
    ASSERT_EQ(shmutex_lock(m()), 0);
    runs_->store(0);
    Child waiter([this, limit] {
      install_handler();
      const int result = limit < 0 ? shmutex_lock(m()) : shmutex_acquire(m(), limit, 0);
      return result == 0 ? shmutex_unlock(m()) : result;
    });
    waiter.wait_until_asleep();
    for (int i = 1; i <= 5; ++i) {
      waiter.signal(SIGUSR1);
      support::wait_until([&] { return runs_->load() == i; });
      waiter.wait_until_asleep();
    }
    ASSERT_EQ(shmutex_unlock(m()), 0);
    EXPECT_EQ(waiter.wait(), 0);
  }
}

TEST_P(Signals, DoNotProlongATimedWait) {
  ASSERT_EQ(shmutex_lock(m()), 0);
  Shared<support::Flag> done;
  Child waiter([&] {
    install_handler();
    const int64_t start = support::now_ns();
    const int result = shmutex_timedlock(m(), 150 * millisecond);
    EXPECT_GE(support::now_ns() - start, 150 * millisecond);
    done->raise();
    EXPECT_EQ(result, ETIMEDOUT);
    return expectations_status();
  });
  waiter.wait_until_asleep();
  while (!done->raised()) {
    waiter.signal(SIGUSR1);
    support::sleep_ms(2);
  }
  EXPECT_EQ(waiter.wait(), 0);
  ASSERT_EQ(shmutex_unlock(m()), 0);
}

TEST_P(Signals, StormUnderLoad) {
  struct Load {
    volatile uint64_t count = 0;
    std::atomic<int> ready{0};
    std::atomic<int> finished{0};
  };
  Shared<Load> load;
  constexpr int workers = 3;
  const int rounds = fair() ? 1'000 : 20'000;
  std::vector<Child> children;
  for (int w = 0; w < workers; ++w) {
    children.emplace_back([&, w] {
      install_handler();
      load->ready.fetch_add(1);
      for (int i = 0; i < rounds; ++i) {
        int result = EINTR;
        while (result == EINTR) result = shmutex_acquire(m(), -1, w == 0 ? 0 : SHMUTEX_INTERRUPTIBLE);
        if (result != 0) return result;
        load->count = load->count + 1;
        if (const int error = shmutex_unlock(m()); error != 0) return error;
      }
      load->finished.fetch_add(1);
      return 0;
    });
  }
  support::wait_until([&] { return load->ready.load() == workers; });  // a signal without a handler would kill
  while (load->finished.load() < workers) {
    for (const Child& child : children) child.signal(SIGUSR1);
    support::sleep_ms(1);
  }
  for (Child& child : children) EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(load->count, static_cast<uint64_t>(workers * rounds));
}

std::vector<Param> all_params() {
  std::vector<Param> params;
  for (const Kind& kind : all_kinds()) {
    params.push_back({kind, false});
    params.push_back({kind, true});
  }
  return params;
}

std::string name_param(const testing::TestParamInfo<Param>& info) {
  return name_of(info.param.kind) + (info.param.restart ? "Restart" : "");
}

INSTANTIATE_TEST_SUITE_P(Kinds, Signals, testing::ValuesIn(all_params()), name_param);

}  // namespace
