// A lock of each kind and placement, and small helpers around it.
#pragma once

#include <gtest/gtest.h>
#include <shmutex/shmutex.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "support/kind.h"
#include "support/support.h"

namespace support {

// A fresh lock, with one handle that children inherit. Closed and removed at the end.
class TestLock {
 public:
  explicit TestLock(Kind kind);
  ~TestLock();
  TestLock(const TestLock&) = delete;
  TestLock& operator=(const TestLock&) = delete;

  shmutex_t* get() const { return handle_; }
  Kind kind() const { return kind_; }
  shmutex_t* open() const;              // another handle of it; null after a recorded failure
  void forget() { handle_ = nullptr; }  // the test has closed it
  void reopen() { handle_ = open(); }
  // How TEST_PEER finds it: a path, or the number of an inherited descriptor of the buffer's memory.
  std::string address() const;
  void* memory() const { return memory_; }  // of a buffer
  uint32_t* word() const;                   // the lock word, as a peer that does not keep to the rules would find it

 private:
  Kind kind_;
  std::unique_ptr<support::TempDir> directory_;
  int descriptor_ = -1;
  void* memory_ = nullptr;
  shmutex_t* handle_ = nullptr;
};

class LockTest : public testing::TestWithParam<Kind> {
 protected:
  shmutex_t* m() const { return lock_.get(); }
  Kind kind() const { return GetParam(); }
  TestLock lock_{GetParam()};
};

shmutex_info_t info_of(const shmutex_t* m);

// lock(), consistent() if told so, unlock(); what lock() returned. The whole life of a simple waiter.
int pass_through(shmutex_t* m);

// In a child that uses EXPECT_…: what its body returns.
int expectations_status();

// Until a thread or process is asleep; until it is stopped by a signal, or has ended before that.
void wait_until_asleep(pid_t tid);
void wait_until_stopped(pid_t pid);

// Until the child is dead, without reaping it: it stays a zombie.
void wait_until_zombie(pid_t pid);

// Holders need not be the test: holds the lock, once or more, from construction until told to let go or to die.
class Holder {
 public:
  explicit Holder(shmutex_t* m, int depth = 1);
  support::Child& process() { return child_; }
  pid_t pid() const { return child_.pid(); }
  void let_go() { release_->raise(); }
  int finish();  // lets go; the exit status

 private:
  support::Shared<support::Flag> held_;
  support::Shared<support::Flag> release_;
  support::Child child_;
};

}  // namespace support
