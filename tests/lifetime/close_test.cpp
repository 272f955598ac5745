// Giving handles back: refused where it would unmap what is in use, fine otherwise.
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "support/ptrace.h"
#include "support/test_lock.h"

namespace {

using support::all_kinds;
using support::Child;
using support::Flag;
using support::Holder;
using support::LockTest;
using support::param_name;
using support::pass_through;
using support::wait_until_asleep;

class Close : public LockTest {
 protected:
  void expect_closed(shmutex_t* handle) {
    EXPECT_EQ(shmutex_close(handle), 0) << shmutex_error_detail();
    lock_.forget();
  }
};

TEST_P(Close, LastHandleWhileHeld) {
  ASSERT_EQ(shmutex_lock(m()), 0);
  EXPECT_EQ(shmutex_close(m()), EBUSY);
  EXPECT_EQ(shmutex_is_owned(m()), 1);
  std::thread([this] { EXPECT_EQ(shmutex_close(m()), EBUSY); }).join();
  EXPECT_EQ(shmutex_unlock(m()), 0);
  expect_closed(m());
}

TEST_P(Close, LastHandleWhileAnotherThreadHolds) {
  Flag held;
  Flag done;
  std::thread thread([&] {
    EXPECT_EQ(shmutex_lock(m()), 0);
    held.raise();
    done.wait();
    EXPECT_EQ(shmutex_unlock(m()), 0);
  });
  held.wait();
  EXPECT_EQ(shmutex_close(m()), EBUSY);
  done.raise();
  thread.join();
  expect_closed(m());
}

TEST_P(Close, AnotherHandleWhileHeld) {
  shmutex_t* const second = lock_.open();
  ASSERT_EQ(shmutex_lock(m()), 0);
  EXPECT_EQ(shmutex_close(second), 0);
  EXPECT_EQ(shmutex_is_owned(m()), 1);
  EXPECT_EQ(shmutex_close(m()), EBUSY);
  EXPECT_EQ(shmutex_unlock(m()), 0);
}

TEST_P(Close, WhatAnotherProcessHolds) {
  Holder holder(m());
  expect_closed(m());
  EXPECT_EQ(holder.finish(), 0);
}

TEST_P(Close, WhileAnotherThreadWaits) {
  for (int position = 0; position < 2; ++position) {
    Holder holder(m());
    Child head([this] { return pass_through(m()); });
    head.wait_until_asleep();
    if (position == 0) head.kill_and_wait();  // so the thread becomes the head of the queue
    std::atomic<pid_t> tid{0};
    std::thread thread([&] {
      tid.store(gettid());
      EXPECT_EQ(pass_through(m()), 0);
    });
    support::wait_until([&] { return tid.load() != 0; });
    wait_until_asleep(tid.load());
    EXPECT_EQ(shmutex_close(m()), EBUSY);
    EXPECT_EQ(holder.finish(), 0);
    thread.join();
  }
  expect_closed(m());
}

TEST_P(Close, WhileAnotherThreadsWaitTimesOut) {
  Holder holder(m());
  std::thread thread([this] { EXPECT_EQ(shmutex_timedlock(m(), 30 * support::millisecond), ETIMEDOUT); });
  thread.join();
  expect_closed(m());
  EXPECT_EQ(holder.finish(), 0);
}

void* lock_and_leave(void* handle) {
  EXPECT_EQ(shmutex_lock(static_cast<shmutex_t*>(handle)), 0);
  pthread_exit(nullptr);
}

TEST_P(Close, AfterAThreadDiedInside) {
  pthread_t thread{};
  ASSERT_EQ(pthread_create(&thread, nullptr, lock_and_leave, m()), 0);
  pthread_join(thread, nullptr);
  expect_closed(m());
  shmutex_t* const again = lock_.open();
  EXPECT_EQ(shmutex_lock(again), EOWNERDEAD);
  EXPECT_EQ(shmutex_consistent(again), 0);
  EXPECT_EQ(shmutex_unlock(again), 0);
  EXPECT_EQ(shmutex_close(again), 0);
}

TEST_P(Close, EOwnerDeadIsHeldToo) {
  Holder(m()).process().kill_and_wait();
  EXPECT_EQ(shmutex_lock(m()), EOWNERDEAD);
  EXPECT_EQ(shmutex_close(m()), EBUSY);
  EXPECT_EQ(shmutex_unlock(m()), 0);
  expect_closed(m());
}

// Two threads, one handle each: the one that unlocks must not touch the lock afterwards, since the other may unmap it
// then.
TEST_P(Close, RightAfterTheOtherThreadsUnlock) {
  for (int i = 0; i < 300; ++i) {
    shmutex_t* const second = lock_.open();
    Flag held;
    std::thread thread([&] {
      EXPECT_EQ(shmutex_lock(second), 0);
      held.raise();
      EXPECT_EQ(shmutex_unlock(second), 0);
      EXPECT_EQ(shmutex_close(second), 0);
    });
    while (!held.raised()) std::this_thread::yield();
    EXPECT_EQ(pass_through(m()), 0);
    int result = EBUSY;
    while (result == EBUSY) result = shmutex_close(m());
    EXPECT_EQ(result, 0);
    thread.join();
    lock_.reopen();
  }
}

// A thread of a traced process, which is not traced itself: closes a handle, and takes the memory away that is the
// caller's.
class Closer {
 public:
  struct Talk {
    std::atomic<int> asked;
    std::atomic<int> answered;
    std::atomic<int> result;
  };

  static void serve(Talk& talk, shmutex_t* handle, void* buffer) {
    for (int done = 0;; ++done) {
      while (talk.asked.load() == done) sched_yield();
      const int result = shmutex_close(handle);
      if (result == 0 && buffer != nullptr) munmap(buffer, 4096);
      talk.result.store(result);
      talk.answered.store(done + 1);
      if (result != EBUSY) return;
    }
  }

  static int ask(Talk& talk) {
    const int number = talk.asked.fetch_add(1) + 1;
    while (talk.answered.load() != number) sched_yield();
    return talk.result.load();
  }
};

// Another thread closes the last handle between any two instructions of an unlock: it is refused until the unlock
// touches the lock no more.
void close_at_every_instruction_of_unlock(const support::TestLock& lock, bool with_waiters_bit) {
  support::Shared<Closer::Talk> talk;
  void* const buffer = lock.kind().in_buffer ? lock.memory() : nullptr;
  const pid_t pid = support::fork_traced(
      [&] {
        std::thread([&] { Closer::serve(*talk, lock.get(), buffer); }).detach();
        pass_through(lock.get());  // what is done once only, is done
        shmutex_lock(lock.get());
      },
      [&] { return shmutex_unlock(lock.get()); });
  if (with_waiters_bit) *lock.word() |= 1u << 31;  // as a waiter leaves it that was killed
  int refusals = 0;
  while (Closer::ask(*talk) == EBUSY) {
    ++refusals;
    support::step(pid);
    ASSERT_TRUE(support::is_signal_stop(support::wait_for_stop(pid), SIGTRAP)) << "never closed";
  }
  EXPECT_EQ(talk->result.load(), 0);
  EXPECT_GT(refusals, 0);
  support::detach(pid);
  EXPECT_EQ(support::wait_for_end(pid), 0) << "after " << refusals << " instructions";
}

TEST_P(Close, AtEveryInstructionOfAnotherThreadsUnlock) { close_at_every_instruction_of_unlock(lock_, false); }

TEST_P(Close, AtEveryInstructionOfAnotherThreadsUnlockThroughTheKernel) {
  close_at_every_instruction_of_unlock(lock_, true);
}

// Takes them all, and dies.
struct Doomed {
  std::vector<shmutex_t*> locks;
  std::atomic<pid_t> tid{0};
  Flag may_die;

  static void* run(void* argument) {
    auto& self = *static_cast<Doomed*>(argument);
    for (shmutex_t* const lock : self.locks) {
      if (shmutex_lock(lock) == EOWNERDEAD) shmutex_consistent(lock);
    }
    self.tid.store(gettid());
    while (!self.may_die.raised()) sched_yield();
    pthread_exit(nullptr);
  }
};

// The kernel walks the list of a thread that dies holding: a close in the middle must not cut it.
TEST_P(Close, WhileAnotherThreadDiesHoldingManyLocks) {
  std::vector<std::unique_ptr<support::TestLock>> others(900);
  for (auto& lock : others) lock = std::make_unique<support::TestLock>(kind());
  for (int round = 0; round < 10; ++round) {
    Doomed doomed;
    for (auto& lock : others) doomed.locks.push_back(lock->get());
    doomed.locks.insert(doomed.locks.begin() + 450, m());  // so that the kernel has a way to go before it, and after it
    pthread_t thread{};
    ASSERT_EQ(pthread_create(&thread, nullptr, Doomed::run, &doomed), 0);
    support::wait_until([&] { return doomed.tid.load() != 0; });
    doomed.may_die.raise();
    int result = EBUSY;
    while (result == EBUSY) result = shmutex_close(m());
    EXPECT_EQ(result, 0);
    pthread_join(thread, nullptr);
    long cut_off = 0;
    for (auto& lock : others) {
      if (support::info_of(lock->get()).state != SHMUTEX_STATE_OWNER_DIED) ++cut_off;
    }
    EXPECT_EQ(cut_off, 0) << "in round " << round;
    lock_.reopen();
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, Close, testing::ValuesIn(all_kinds()), param_name);

}  // namespace
