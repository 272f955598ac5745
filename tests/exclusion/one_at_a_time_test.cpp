// At most one at a time: under load, by threads, by forked and by exec'd processes, with every way to acquire mixed.
#include <errno.h>
#include <sched.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "support/test_lock.h"

namespace {

using support::all_kinds;
using support::Child;
using support::expectations_status;
using support::Holder;
using support::info_of;
using support::Kind;
using support::LockTest;
using support::millisecond;
using support::param_name;
using support::Shared;

// Nothing here is atomic: only the lock keeps it whole.
struct Guarded {
  volatile uint64_t count = 0;
  volatile uint64_t copies[6] = {};
  volatile uint64_t inside = 0;
  std::atomic<uint64_t> violations{0};
  std::atomic<int> arrived{0};

  // All begin together: otherwise the first is through before the last has started.
  void wait_for(int workers) {
    arrived.fetch_add(1);
    while (arrived.load() < workers) sched_yield();
  }

  void visit() {
    inside = inside + 1;
    if (inside != 1) violations.fetch_add(1);
    const uint64_t next = count + 1;
    for (volatile uint64_t& copy : copies) {
      if (copy != next - 1) violations.fetch_add(1);
      copy = next;
    }
    count = next;
    inside = inside - 1;
  }
};

int acquire_somehow(shmutex_t* m, int round) {
  for (;;) {
    int result = 0;
    switch (round % 4) {
      case 0: return shmutex_lock(m);
      case 1: result = shmutex_trylock(m); break;
      case 2: result = shmutex_timedlock(m, millisecond / 20); break;
      default: result = shmutex_acquire(m, millisecond, SHMUTEX_INTERRUPTIBLE); break;
    }
    if (result != EBUSY && result != ETIMEDOUT && result != EINTR) return result;
    sched_yield();
  }
}

int visit_often(shmutex_t* m, Guarded& guarded, int workers, int rounds) {
  guarded.wait_for(workers);
  for (int i = 0; i < rounds; ++i) {
    if (const int error = acquire_somehow(m, i); error != 0) return error;
    guarded.visit();
    if (const int error = shmutex_unlock(m); error != 0) return error;
  }
  return 0;
}

class Exclusion : public LockTest {
 protected:
  static constexpr int workers = 4;
  int rounds() const { return kind().fair() ? 2'000 : 200'000; }

  void expect_whole(uint64_t visits) {
    EXPECT_EQ(guarded_->count, visits);
    EXPECT_EQ(guarded_->violations.load(), 0u);
    EXPECT_EQ(shmutex_token(m()) - first_token_, visits);
    EXPECT_EQ(info_of(m()).state, static_cast<uint32_t>(SHMUTEX_STATE_FREE));
  }

  Shared<Guarded> guarded_;
  const uint64_t first_token_ = shmutex_token(m());
};

TEST_P(Exclusion, Threads) {
  std::vector<std::thread> threads;
  for (int i = 0; i < workers; ++i) {
    threads.emplace_back([this] { EXPECT_EQ(visit_often(m(), *guarded_, workers, rounds()), 0); });
  }
  for (std::thread& thread : threads) thread.join();
  expect_whole(static_cast<uint64_t>(workers * rounds()));
}

TEST_P(Exclusion, Processes) {
  std::vector<Child> children;
  for (int i = 0; i < workers; ++i) {
    children.emplace_back([this] { return visit_often(m(), *guarded_, workers, rounds()); });
  }
  for (Child& child : children) EXPECT_EQ(child.wait(), 0);
  expect_whole(static_cast<uint64_t>(workers * rounds()));
}

TEST_P(Exclusion, ThreadsOfProcesses) {
  std::vector<Child> children;
  for (int i = 0; i < 2; ++i) {
    children.emplace_back([this] {
      shmutex_t* const second = lock_.open();
      std::thread thread([&] { EXPECT_EQ(visit_often(second, *guarded_, workers, rounds()), 0); });
      EXPECT_EQ(visit_often(m(), *guarded_, workers, rounds()), 0);
      thread.join();
      EXPECT_EQ(shmutex_close(second), 0);
      return expectations_status();
    });
  }
  for (Child& child : children) EXPECT_EQ(child.wait(), 0);
  expect_whole(static_cast<uint64_t>(4 * rounds()));
}

TEST_P(Exclusion, ExecedProcesses) {
  const int fd = memfd_create("count", 0);
  ASSERT_EQ(ftruncate(fd, 4096), 0);
  const std::string address = lock_.address();
  const std::string attributes = std::to_string(kind().attributes);
  const std::string times = std::to_string(rounds());
  const std::string counter = std::to_string(fd);
  std::vector<Child> children;
  for (int i = 0; i < 3; ++i) {
    children.emplace_back([&] {
      execl(TEST_PEER, TEST_PEER, address.c_str(), attributes.c_str(), "count", times.c_str(), counter.c_str(),
            nullptr);
      return 211;
    });
  }
  for (Child& child : children) EXPECT_EQ(child.wait(), 0);
  uint64_t count = 0;
  EXPECT_EQ(pread(fd, &count, sizeof count, 0), static_cast<ssize_t>(sizeof count));
  EXPECT_EQ(count, static_cast<uint64_t>(3 * rounds()));
  close(fd);
}

// A thread that was descheduled in its turn must not be overlooked: many more threads than processors.
TEST_P(Exclusion, Crowd) {
  constexpr int crowd = 32;
  constexpr int turns = 100;
  std::vector<std::thread> threads;
  for (int i = 0; i < crowd; ++i) {
    threads.emplace_back([this] {
      guarded_->wait_for(crowd);
      for (int turn = 0; turn < turns; ++turn) {
        EXPECT_EQ(shmutex_lock(m()), 0);
        guarded_->visit();
        if (turn % 8 == 0) sched_yield();
        EXPECT_EQ(shmutex_unlock(m()), 0);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  expect_whole(crowd * turns);
}

TEST_P(Exclusion, OwnerAcquiresAgain) {
  ASSERT_EQ(shmutex_lock(m()), 0);
  const uint64_t token = shmutex_token(m());
  if (kind().recursive()) {
    EXPECT_EQ(shmutex_lock(m()), 0);
    EXPECT_EQ(shmutex_trylock(m()), 0);
    EXPECT_EQ(shmutex_timedlock(m(), 0), 0);
    EXPECT_EQ(shmutex_acquire(m(), -1, SHMUTEX_INTERRUPTIBLE), 0);
    EXPECT_EQ(info_of(m()).depth, 5u);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(shmutex_unlock(m()), 0);
  } else {
    EXPECT_EQ(shmutex_lock(m()), EDEADLK);
    EXPECT_EQ(shmutex_trylock(m()), EBUSY);
    EXPECT_EQ(shmutex_timedlock(m(), 0), EDEADLK);
    EXPECT_EQ(shmutex_timedlock(m(), millisecond), EDEADLK);
    EXPECT_EQ(shmutex_acquire(m(), -1, SHMUTEX_INTERRUPTIBLE), EDEADLK);
  }
  EXPECT_EQ(shmutex_token(m()), token);
  EXPECT_EQ(shmutex_is_owned(m()), 1);
  EXPECT_EQ(info_of(m()).depth, 1u);
  EXPECT_EQ(shmutex_unlock(m()), 0);
  EXPECT_EQ(shmutex_is_owned(m()), 0);
  EXPECT_EQ(shmutex_unlock(m()), EPERM);
}

TEST_P(Exclusion, DepthBelongsToTheOwner) {
  if (!kind().recursive()) return;
  Holder holder(m(), 3);
  EXPECT_EQ(info_of(m()).depth, 3u);
  EXPECT_EQ(shmutex_trylock(m()), EBUSY);
  EXPECT_EQ(shmutex_unlock(m()), EPERM);
  EXPECT_EQ(holder.finish(), 0);
  EXPECT_EQ(shmutex_lock(m()), 0);
  EXPECT_EQ(info_of(m()).depth, 1u);
  EXPECT_EQ(shmutex_unlock(m()), 0);
}

TEST_P(Exclusion, OnlyTheOwnerReleases) {
  Holder holder(m());
  EXPECT_EQ(shmutex_unlock(m()), EPERM);
  EXPECT_EQ(shmutex_consistent(m()), EPERM);
  EXPECT_EQ(shmutex_poison(m()), EPERM);
  EXPECT_EQ(shmutex_trylock(m()), EBUSY);
  EXPECT_EQ(info_of(m()).owner_tid, holder.pid());
  EXPECT_EQ(holder.finish(), 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Exclusion, testing::ValuesIn(all_kinds()), param_name);

INSTANTIATE_TEST_SUITE_P(FairRecursive, Exclusion,
                         testing::ValuesIn(support::in_both_places({support::fair_recursive})), param_name);

}  // namespace
