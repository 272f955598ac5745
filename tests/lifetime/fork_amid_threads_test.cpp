// A fork at any instant of what other threads of the process are doing.
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <thread>

#include "support/test_lock.h"

namespace {

using support::all_kinds;
using support::Child;
using support::expectations_status;
using support::Flag;
using support::LockTest;
using support::param_name;
using support::pass_through;
using support::TestLock;

class ForkAmidThreads : public LockTest {
 protected:
  template <class Task>
  void start(Task task) {
    threads_.emplace_back([this, task] {
      while (!stop_.raised()) task();
    });
  }
  void stop_threads() {
    stop_.raise();
    for (std::thread& thread : threads_) thread.join();
  }

  Flag stop_;
  std::vector<std::thread> threads_;
};

// In the middle of opening, locking and closing: the child can do all of it, whatever locks inside were held.
TEST_P(ForkAmidThreads, OpenLockClose) {
  TestLock other(kind());
  const auto visit = [](const TestLock& lock) {
    shmutex_t* const handle = lock.open();
    if (handle == nullptr) return;
    const int result = shmutex_timedlock(handle, support::second);
    EXPECT_TRUE(result == 0 || result == ETIMEDOUT || result == EOWNERDEAD) << result;
    if (result == EOWNERDEAD) {
      EXPECT_EQ(shmutex_consistent(handle), 0);
    }
    if (result == 0 || result == EOWNERDEAD) {
      EXPECT_EQ(shmutex_unlock(handle), 0);
    }
    EXPECT_EQ(shmutex_close(handle), 0);
  };
  start([&] { visit(lock_); });
  start([&] {
    TestLock fresh(kind());
    visit(fresh);
  });
  for (int i = 0; i < 150; ++i) {
    Child child([&] {
      visit(other);
      visit(lock_);
      TestLock fresh(kind());
      visit(fresh);
      return expectations_status();
    });
    EXPECT_EQ(child.wait(), 0);
  }
  stop_threads();
}

TEST_P(ForkAmidThreads, LockUnlock) {
  const auto visit = [this] { EXPECT_EQ(pass_through(m()), 0); };
  start(visit);
  start(visit);
  for (int i = 0; i < 150; ++i) {
    Child child([&] {
      for (int turn = 0; turn < 20; ++turn) visit();
      EXPECT_EQ(shmutex_is_owned(m()), 0);
      return expectations_status();
    });
    EXPECT_EQ(child.wait(), 0);
  }
  stop_threads();
}

// The child unmaps the lock that its parent's thread holds. When the child dies, the kernel must find nothing of that
// lock in the child's robust list: at that address lies something else by then.
TEST(ForkOfAHolder, LeavesNothingPendingInTheChild) {
  TestLock lock({0, false});
  const int memory = memfd_create("other", 0);
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  ASSERT_EQ(ftruncate(memory, static_cast<off_t>(2 * page)), 0);
  ASSERT_EQ(shmutex_lock(lock.get()), 0);
  Child child([&] {
    // The lock's words lie in the page of its handle, the list nodes in the next one.
    const auto start = reinterpret_cast<uintptr_t>(lock.get()) & ~(page - 1);
    EXPECT_EQ(shmutex_close(lock.get()), 0);
    auto* const words = static_cast<uint32_t*>(
        mmap(reinterpret_cast<void*>(start), 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory, 0));
    for (size_t i = 0; i < 2 * page / sizeof *words; ++i) words[i] = static_cast<uint32_t>(getpid());
    return expectations_status();
  });
  const pid_t pid = child.pid();
  EXPECT_EQ(child.wait(), 0);
  auto* const words = static_cast<uint32_t*>(mmap(nullptr, 2 * page, PROT_READ, MAP_SHARED, memory, 0));
  int changed = 0;
  for (size_t i = 0; i < 2 * page / sizeof *words; ++i) changed += words[i] == static_cast<uint32_t>(pid) ? 0 : 1;
  EXPECT_EQ(changed, 0);
  munmap(words, 2 * page);
  close(memory);
  EXPECT_EQ(shmutex_unlock(lock.get()), 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, ForkAmidThreads, testing::ValuesIn(all_kinds()), param_name);

}  // namespace
