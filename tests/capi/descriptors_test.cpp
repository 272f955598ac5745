// Processes with unusual descriptor tables: closed standard streams, tables of a thread's own, a main thread that has
// ended.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "support/calls.h"
#include "support/support.h"

namespace {

using support::Child;
using support::Handle;

class Descriptors : public testing::Test {
 protected:
  support::TempDir directory_;
  const std::string path_ = directory_ / "lock";
};

// A thread that goes on printing finds nothing to print into, at no instant of no call.
TEST_F(Descriptors, ClosedStandardStreamsStayClosed) {
  const int record = dup(STDERR_FILENO);
  Child child([&] {
    for (int fd = 0; fd < 3; ++fd) close(fd);
    std::atomic<bool> stop{false};
    std::atomic<int> printed{0};
    std::thread printer([&] {
      while (!stop) {
        for (int fd = 0; fd < 3; ++fd) {
          if (write(fd, "x", 1) == 1) ++printed;
        }
      }
    });
    int failures = 0;
    for (int i = 0; i < 2000; ++i) {
      {
        const Handle lock(path_);
        const Handle second(path_);
        if (lock.error() != 0 || second.error() != 0 || shmutex_lock(lock) != 0 || shmutex_unlock(lock) != 0)
          ++failures;
      }
      if (shmutex_unlink(path_.c_str(), 0) != 0) ++failures;
    }
    stop = true;
    printer.join();
    dup2(record, STDERR_FILENO);
    CHILD_REQUIRE(failures == 0);
    CHILD_REQUIRE(printed == 0);
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
  close(record);
}

// /proc/self is the main thread; its table is not the one that our descriptors are in.
TEST_F(Descriptors, ThreadWithATableOfItsOwnCreatesTheLockAndNothingElse) {
  const std::string secret = directory_ / "secret";
  Child child([&] {
    std::atomic<int> step{0};
    int result = -1;
    std::thread creator([&] {
      if (unshare(CLONE_FILES) != 0) return;
      step = 1;
      support::wait_until([&] { return step == 2; });
      const Handle lock(path_, 0, 0666);
      result = lock.error() != 0 ? lock.error() : shmutex_lock(lock);
    });
    support::wait_until([&] { return step == 1; });
    // Whatever number a new descriptor gets over there, here it is this file.
    for (int i = 0; i < 5; ++i) CHILD_REQUIRE(open(secret.c_str(), O_RDWR | O_CREAT, 0600) >= 0);
    step = 2;
    creator.join();
    CHILD_REQUIRE(result == 0);
    CHILD_REQUIRE(support::inode_of(path_) != support::inode_of(secret));
    struct stat status {};
    CHILD_REQUIRE(stat(secret.c_str(), &status) == 0 && status.st_nlink == 1);
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(Descriptors, EverythingWorksAfterTheMainThreadHasEnded) {
  Child child([&] {
    std::thread([&] {
      support::wait_until([] { return support::thread_state(getpid()) == 'Z'; });
      const auto body = [&] {
        const Handle lock(path_);
        CHILD_REQUIRE(lock.error() == 0);
        CHILD_REQUIRE(shmutex_lock(lock) == 0 && shmutex_unlock(lock) == 0);
        std::thread([&] { shmutex_lock(lock); }).join();
        CHILD_REQUIRE(shmutex_lock(lock) == EOWNERDEAD && shmutex_consistent(lock) == 0);
        CHILD_REQUIRE(shmutex_unlock(lock) == 0);
        CHILD_REQUIRE(support::info_of(lock).same_pid_namespace == 1);
        CHILD_REQUIRE(shmutex_close(const_cast<Handle&>(lock).release()) == 0);
        CHILD_REQUIRE(shmutex_unlink(path_.c_str(), 0) == 0);
        return 0;
      };
      _exit(body());
    }).detach();
    syscall(SYS_exit, 0);  // as pthread_exit() ends, without its unwinding through the test's frames
    return 1;
  });
  EXPECT_EQ(child.wait(), 0);
}

}  // namespace
