// A word that is forged while threads hold, wait and release: what becomes of them is documented, and their other
// locks stay as they are.
#include <errno.h>
#include <sys/wait.h>

#include <string>
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
using support::param_name;
using support::TestLock;

constexpr uint32_t nobody = 0x3fff'fffe;  // a TID that no thread has

using Forged = LockTest;

void forge(const TestLock& lock, uint32_t value) { __atomic_store_n(lock.word(), value, __ATOMIC_SEQ_CST); }

TEST_P(Forged, ReleaseSaysThatItIsNotHeldAnyMore) {
  const TestLock other(kind());
  ASSERT_EQ(shmutex_lock(other.get()), 0);
  for (const uint32_t value : {0u, nobody, nobody | 0x8000'0000u, 0x4000'0000u, 0xc000'0000u}) {
    ASSERT_EQ(shmutex_lock(m()), 0);
    forge(lock_, value);
    EXPECT_EQ(shmutex_is_owned(m()), 0);
    EXPECT_EQ(shmutex_unlock(m()), EPERM) << value;
    EXPECT_NE(std::string(shmutex_error_detail()).find("overwrote"), std::string::npos) << shmutex_error_detail();
    EXPECT_EQ(*lock_.word(), value) << "what is not ours was written to";
    forge(lock_, 0);
    ASSERT_EQ(shmutex_lock(m()), 0) << "it goes on working";
    EXPECT_EQ(shmutex_unlock(m()), 0);
  }
  EXPECT_EQ(shmutex_is_owned(other.get()), 1);
  EXPECT_EQ(shmutex_unlock(other.get()), 0);
}

TEST_P(Forged, DepthIsForgottenWithTheHold) {
  if (!kind().recursive()) return;
  for (const bool releases : {true, false}) {
    for (int i = 0; i < 3; ++i) ASSERT_EQ(shmutex_lock(m()), 0);
    forge(lock_, 0);
    if (releases) {
      EXPECT_EQ(shmutex_unlock(m()), EPERM);
    }
    ASSERT_EQ(shmutex_lock(m()), 0);
    EXPECT_EQ(shmutex_unlock(m()), 0);
    EXPECT_EQ(shmutex_unlock(m()), EPERM);
  }
}

// Its node is in the thread's list still.
TEST_P(Forged, AcquiredOnceMoreByTheThreadThatLostIt) {
  const TestLock other(kind());
  ASSERT_EQ(shmutex_lock(m()), 0);
  ASSERT_EQ(shmutex_lock(other.get()), 0);
  forge(lock_, 0);
  ASSERT_EQ(shmutex_lock(m()), 0);
  EXPECT_EQ(shmutex_is_owned(m()), 1);
  EXPECT_EQ(shmutex_unlock(other.get()), 0);
  EXPECT_EQ(shmutex_unlock(m()), 0);
  EXPECT_EQ(shmutex_unlock(m()), EPERM);
}

// Two threads of one process hold it then, each for itself; and when they die, all other locks are released.
TEST_P(Forged, FreeWhileAnotherThreadOfTheProcessHolds) {
  const TestLock first(kind());
  const TestLock second(kind());
  support::Shared<Flag> done;
  Child process([&] {
    EXPECT_EQ(shmutex_lock(first.get()), 0);
    EXPECT_EQ(shmutex_lock(m()), 0);
    forge(lock_, 0);
    std::thread([&] {
      EXPECT_EQ(shmutex_lock(second.get()), 0);
      EXPECT_EQ(shmutex_lock(m()), 0);
      EXPECT_EQ(shmutex_is_owned(m()), 1);
      EXPECT_EQ(shmutex_trylock(m()), kind().recursive() ? 0 : EBUSY);
      EXPECT_EQ(shmutex_timedlock(m(), 0), kind().recursive() ? 0 : EDEADLK);
      if (kind().recursive()) {
        EXPECT_EQ(shmutex_unlock(m()), 0);
        EXPECT_EQ(shmutex_unlock(m()), 0);
      }
      EXPECT_EQ(shmutex_unlock(m()), 0);
      EXPECT_EQ(shmutex_unlock(m()), EPERM);
      EXPECT_EQ(shmutex_lock(m()), 0);
      done->raise();
      for (;;) pause();
    }).detach();
    done->wait();
    EXPECT_EQ(shmutex_unlock(m()), EPERM);
    if (expectations_status() != 0) return expectations_status();
    for (;;) pause();
  });
  support::wait_until([&] { return done->raised() || support::thread_state(process.pid()) == 'Z'; });
  support::sleep_ms(20);
  EXPECT_EQ(process.kill_and_wait(), 1000 + SIGKILL) << "what it expected was not so";
  EXPECT_EQ(shmutex_lock(first.get()), EOWNERDEAD);
  EXPECT_EQ(shmutex_unlock(first.get()), 0);
  EXPECT_EQ(shmutex_lock(second.get()), EOWNERDEAD);
  EXPECT_EQ(shmutex_unlock(second.get()), 0);
  EXPECT_EQ(shmutex_lock(m()), EOWNERDEAD) << "by the probe, if the kernel did not know";
  EXPECT_EQ(shmutex_unlock(m()), 0);
}

// The queue's word: its owner, the head waiter, sleeps; another thread of the same process finds it free.
TEST_P(Forged, BatonFreeWhileTheHeadWaiterSleeps) {
  if (kind().fair()) return;   // has none
  constexpr int distance = 4;  // words from the baton to the lock word
  Holder holder(m());
  Child process([&] {
    const auto wait_for_it = [&] {
      EXPECT_EQ(shmutex_lock(m()), 0);
      EXPECT_EQ(shmutex_unlock(m()), 0);
    };
    std::thread first(wait_for_it);
    support::wait_until([&] { return __atomic_load_n(lock_.word() - distance, __ATOMIC_SEQ_CST) != 0; });
    support::wait_until([&] { return info_of(m()).waiters == 1; });
    __atomic_store_n(lock_.word() - distance, 0, __ATOMIC_SEQ_CST);
    std::thread second(wait_for_it);
    support::wait_until([&] { return __atomic_load_n(lock_.word() - distance, __ATOMIC_SEQ_CST) != 0; });
    holder.let_go();
    first.join();
    second.join();
    return expectations_status();
  });
  EXPECT_EQ(process.wait(), 0);
  EXPECT_EQ(holder.finish(), 0);
  EXPECT_EQ(shmutex_trylock(m()), 0);
  EXPECT_EQ(shmutex_unlock(m()), 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Forged, testing::ValuesIn(all_kinds()), param_name);

}  // namespace
