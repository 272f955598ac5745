// Giving handles back: refused where it would unmap what is in use, fine otherwise.
#include <errno.h>
#include <pthread.h>

#include <thread>

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

INSTANTIATE_TEST_SUITE_P(Kinds, Close, testing::ValuesIn(all_kinds()), param_name);

}  // namespace
