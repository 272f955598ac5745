// SHMUTEX_INIT_ONCE: exactly one of those that race initialises, and an initialiser that is killed leaves a usable
// lock.
#include <errno.h>
#include <string.h>

#include <deque>
#include <random>

#include "support/calls.h"
#include "support/killing.h"
#include "support/support.h"

namespace {

using support::Child;
using support::Flag;
using support::Handle;
using support::Shared;

struct alignas(SHMUTEX_ALIGN) Memory {
  unsigned char bytes[SHMUTEX_SIZE] = {};
};

struct Race {
  Memory memory;
  Flag go;
  std::atomic<int> inside{0};
  std::atomic<int> overlaps{0};
  std::atomic<int> acquired{0};
  std::atomic<uint64_t> first_token{0};
};

TEST(InitOnce, RacedByManyProcessesInitialisesOnce) {
  for (int round = 0; round < 30; ++round) {
    Shared<Race> race;
    std::deque<Child> children;
    for (int i = 0; i < 20; ++i) {
      children.emplace_back([&] {
        Handle lock;
        race->go.wait();
        CHILD_REQUIRE(lock.attach(&race->memory, sizeof(Memory), SHMUTEX_INIT_ONCE) == 0);
        for (int k = 0; k < 10; ++k) {
          CHILD_REQUIRE(shmutex_lock(lock) == 0);
          if (race->inside.fetch_add(1) != 0) ++race->overlaps;
          // Initialised a second time, the lock would count from another token.
          const uint64_t start = shmutex_token(lock) - static_cast<uint64_t>(race->acquired.fetch_add(1));
          uint64_t none = 0;
          if (!race->first_token.compare_exchange_strong(none, start)) {
            CHILD_REQUIRE(race->first_token == start);
          }
          race->inside.fetch_sub(1);
          CHILD_REQUIRE(shmutex_unlock(lock) == 0);
        }
        return 0;
      });
    }
    race->go.raise();
    for (Child& child : children) EXPECT_EQ(child.wait(), 0);
    EXPECT_EQ(race->overlaps, 0);
    EXPECT_EQ(race->acquired, 200);
  }
}

void expect_usable(Memory& memory) {
  Handle lock;
  ASSERT_EQ(lock.attach(&memory, sizeof memory, SHMUTEX_INIT_ONCE), 0) << shmutex_error_detail();
  const int result = shmutex_lock(lock);
  if (result == EOWNERDEAD) {
    EXPECT_EQ(shmutex_consistent(lock), 0);
  } else {
    EXPECT_EQ(result, 0);
  }
  EXPECT_EQ(shmutex_unlock(lock), 0);
  EXPECT_EQ(shmutex_lock(lock), 0);
  EXPECT_GT(shmutex_token(lock), 1'000'000'000'000'000'000u);  // it began at the clock, in nanoseconds
}

TEST(InitOnce, InitialiserKilledOnItsWayLeavesAUsableLock) {
  Shared<Memory> memory;
  const auto prepare = [&] {
    // What the first use of the library in a process does is not what this is about.
    alignas(SHMUTEX_ALIGN) unsigned char other[SHMUTEX_SIZE] = {};
    Handle lock;
    if (lock.attach(other, sizeof other, SHMUTEX_INIT_ONCE) != 0) abort();
  };
  int n = 1;
  constexpr int stride = 8;  // tests/crash kills at the instructions in between
  for (bool killed = true; killed && !testing::Test::HasFailure(); n += stride) {
    support::expect_progress();
    *memory = Memory();
    killed = support::killed_at_instruction(n, prepare, [&] {
      shmutex_t* lock = nullptr;
      if (shmutex_attach(&lock, &*memory, sizeof(Memory), SHMUTEX_INIT_ONCE) != 0) abort();
    });
    SCOPED_TRACE("killed at instruction " + std::to_string(n));
    expect_usable(*memory);
  }
  EXPECT_GT(n, 500);
}

TEST(InitOnce, RacedAndKilledAtRandomLeavesAUsableLock) {
  std::mt19937 random(11);
  for (int round = 0; round < 150; ++round) {
    Shared<Race> race;
    std::deque<Child> children;
    for (int i = 0; i < 6; ++i) {
      children.emplace_back([&] {
        Handle lock;
        race->go.wait();
        CHILD_REQUIRE(lock.attach(&race->memory, sizeof(Memory), SHMUTEX_INIT_ONCE) == 0);
        const int result = shmutex_lock(lock);
        CHILD_REQUIRE(result == 0 || result == EOWNERDEAD);
        if (result == EOWNERDEAD) shmutex_consistent(lock);
        shmutex_unlock(lock);
        return 0;
      });
    }
    race->go.raise();
    for (int i = 0; i < 3; ++i) {
      const int64_t until = support::now_ns() + static_cast<int64_t>(random() % 300'000);
      while (support::now_ns() < until) {
      }
      children.front().kill_and_wait();
      children.pop_front();
    }
    for (Child& child : children) EXPECT_EQ(child.wait(), 0);
    expect_usable(race->memory);
  }
}

}  // namespace
