// Destruction, fork, and threads that end.
#include <signal.h>
#include <sys/wait.h>

#include <memory>
#include <mutex>
#include <thread>

#include "cpp/support.h"

namespace {

using cpp_test::error_of;

class Lifetime : public testing::Test {
 protected:
  support::TempDir dir_;
  const std::string path_ = dir_ / "lock";
};

TEST_F(Lifetime, DestroyingOneHandleLeavesTheOthers) {
  shmutex::mutex kept(path_);
  {
    shmutex::mutex other(path_);
    other.lock();
  }
  EXPECT_TRUE(kept.owned());
  kept.unlock();
}

TEST_F(Lifetime, DestroyingTheLastHandleWhileHoldingKeepsTheMapping) {
  support::Shared<support::Flag> destroyed;
  support::Child owner([&] {
    auto m = std::make_unique<shmutex::mutex>(path_);
    m->lock();
    m.reset();
    destroyed->raise();
    for (;;) pause();
    return 0;
  });
  destroyed->wait();
  EXPECT_EQ(shmutex::inspect(path_).state, unsigned{SHMUTEX_STATE_HELD});
  EXPECT_EQ(shmutex::inspect(path_).owner_pid, owner.pid());
  owner.kill_and_wait();
  shmutex::mutex m(path_);
  EXPECT_THROW(m.lock(), shmutex::owner_died);
}

TEST_F(Lifetime, AFailedConstructorLeavesNothingOpen) {
  { const shmutex::recursive_mutex create(path_); }
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(error_of([&] { const shmutex::mutex m(path_); }), EPROTOTYPE);
  }
  shmutex::unlink(path_);
  const shmutex::mutex plain(path_);
}

TEST_F(Lifetime, AForkedChildHasTheHandleAndNotTheLock) {
  shmutex::mutex m(path_);
  m.lock();
  support::Child child([&] {
    if (m.owned()) return 1;
    if (error_of([&] { m.unlock(); }) != EPERM) return 2;
    if (m.try_lock()) return 3;
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
  m.unlock();
  support::Child second([&] {
    const std::scoped_lock guard(m);
    return m.owned() ? 0 : 1;
  });
  EXPECT_EQ(second.wait(), 0);
  EXPECT_TRUE(m.try_lock());
  m.unlock();
}

TEST_F(Lifetime, AThreadThatEndsInsideIsADeadOwner) {
  shmutex::mutex m(path_);
  std::thread([&] { m.lock(); }).join();
  EXPECT_THROW(m.lock(), shmutex::owner_died);
}

// The guard's destructor cannot report that the lock is not this process's: it ends the program.
TEST_F(Lifetime, AGuardInAForkedChildEndsTheProgram) {
  shmutex::mutex m(path_);
  support::Child child([&] {
    const std::lock_guard guard(m);
    const pid_t copy = fork();
    if (copy == 0) {
      std::set_terminate([] { _exit(77); });
      return 0;  // through the guard
    }
    int status = 0;
    waitpid(copy, &status, 0);
    if (!m.owned()) return 1;
    return WIFEXITED(status) && WEXITSTATUS(status) == 77 ? 0 : 2;
  });
  EXPECT_EQ(child.wait(), 0);
  EXPECT_TRUE(m.try_lock());
  m.unlock();
}

}  // namespace
