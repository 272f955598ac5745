// shmutex_error_detail() after each kind of failure: which file, what was found, what to do.
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <deque>
#include <thread>

#include "support/calls.h"
#include "support/lock_page.h"
#include "support/namespaces.h"
#include "support/other_boot.h"
#include "support/support.h"

namespace {

using support::Handle;
using support::LockPage;

testing::AssertionResult detail_has(std::initializer_list<std::string> words) {
  const std::string detail = shmutex_error_detail();
  for (const std::string& word : words) {
    if (detail.find(word) == std::string::npos) {
      return testing::AssertionFailure() << '"' << word << "\" is not in: " << detail;
    }
  }
  return testing::AssertionSuccess();
}

class Details : public testing::Test {
 protected:
  support::TempDir directory_;
  const std::string path_ = directory_ / "lock";
};

TEST_F(Details, OfMissingAndExistingFiles) {
  Handle lock;
  EXPECT_EQ(lock.open(path_, SHMUTEX_MUST_EXIST), ENOENT);
  EXPECT_TRUE(detail_has({path_, "SHMUTEX_MUST_EXIST"}));
  EXPECT_EQ(lock.open(directory_ / "missing/lock"), ENOENT);
  EXPECT_TRUE(detail_has({directory_ / "missing/lock", "directory"}));
  EXPECT_EQ(shmutex_unlink(path_.c_str(), 0), ENOENT);
  EXPECT_TRUE(detail_has({path_, "no lock"}));
  EXPECT_FALSE(detail_has({"SHMUTEX_"})) << "there is no such flag to leave out";
  ASSERT_EQ(lock.open(path_), 0);
  EXPECT_EQ(Handle(path_, SHMUTEX_MUST_CREATE).error(), EEXIST);
  EXPECT_TRUE(detail_has({path_, "SHMUTEX_MUST_CREATE"}));
}

TEST_F(Details, OfWhatIsNoLockFile) {
  support::write_content(path_, "notes\n");
  EXPECT_EQ(Handle(path_).error(), EBADMSG);
  EXPECT_TRUE(detail_has({path_, "not a lock file", "6 bytes", "another path"}));
  EXPECT_EQ(Handle(directory_.path()).error(), EINVAL);
  EXPECT_TRUE(detail_has({directory_.path(), "regular file"}));
  const std::string link = directory_ / "link";
  ASSERT_EQ(symlink(path_.c_str(), link.c_str()), 0);
  EXPECT_EQ(Handle(link).error(), ELOOP);
  EXPECT_TRUE(detail_has({link, "symbolic link", "Name the file"}));
}

TEST_F(Details, OfOtherFormats) {
  LockPage page;
  page.header.version = 7;
  page.write(path_);
  EXPECT_EQ(Handle(path_).error(), EPROTONOSUPPORT);
  EXPECT_TRUE(detail_has({path_, "format 7", "remove it"}));
}

TEST_F(Details, OfOtherAttributes) {
  const Handle lock(path_, SHMUTEX_FAIR);
  EXPECT_EQ(Handle(path_, SHMUTEX_RECURSIVE).error(), EPROTOTYPE);
  EXPECT_TRUE(detail_has({path_, "fair", "recursive", "SHMUTEX_ANY_ATTR"}));
}

TEST_F(Details, OfAFileSystemThatElsewhereMayShare) {
  Handle lock;
  EXPECT_EQ(lock.open("/proc/self/comm"), ENOTSUP);
  EXPECT_TRUE(detail_has({"/proc/self/comm", "/dev/shm"}));
}

TEST_F(Details, OfALocalFileSystemThatDoesNotDo) {
  SKIP_WITHOUT_NAMESPACES();
  support::Child child([&] {
    CHILD_REQUIRE(support::enter_mount_namespace() && support::mount_new("ramfs", directory_.path()));
    CHILD_REQUIRE(Handle(path_).error() == ENOTSUP);
    CHILD_REQUIRE(detail_has({path_, "ramfs", "/dev/shm"}));
    CHILD_REQUIRE(!detail_has({"elsewhere"}));
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(Details, OfAnotherPidNamespacesUsers) {
  SKIP_WITHOUT_NAMESPACES();
  support::Shared<support::Flag> opened;
  support::Child user([&] {
    const Handle lock(path_);
    opened->raise();
    for (;;) pause();
    return lock.error();
  });
  opened->wait();
  support::Child other([&] {
    CHILD_REQUIRE(support::enter_pid_namespace_with_children());
    return support::wait_for(support::fork_running([&] {
      CHILD_REQUIRE(Handle(path_).error() == EXDEV);
      CHILD_REQUIRE(detail_has({path_, "PID namespace", "in one PID namespace"}));
      CHILD_REQUIRE(!detail_has({"boot"}));
      return 0;
    }));
  });
  EXPECT_EQ(other.wait(), 0);
}

TEST_F(Details, OfLimitsOfTheProcess) {
  { const Handle warm(directory_ / "warm"); }
  support::Child file_size([&] {
    const rlimit none{0, 0};
    CHILD_REQUIRE(setrlimit(RLIMIT_FSIZE, &none) == 0);
    CHILD_REQUIRE(Handle(path_).error() == EFBIG);
    CHILD_REQUIRE(detail_has({path_, "RLIMIT_FSIZE"}));
    return 0;
  });
  EXPECT_EQ(file_size.wait(), 0);
#ifndef __SANITIZE_ADDRESS__  // it makes mlockall(2) do nothing
  support::Child locked_memory([&] {
    const Handle first(directory_ / "warm");
    const rlimit little{4096, 4096};
    CHILD_REQUIRE(chmod(directory_.path().c_str(), 0777) == 0 && setrlimit(RLIMIT_MEMLOCK, &little) == 0);
    CHILD_REQUIRE(geteuid() != 0 || setuid(65534) == 0);
    CHILD_REQUIRE(mlockall(MCL_FUTURE) == 0);
    CHILD_REQUIRE(Handle(path_).error() == ENOMEM);
    CHILD_REQUIRE(detail_has({path_, "RLIMIT_MEMLOCK"}));
    return 0;
  });
  EXPECT_EQ(locked_memory.wait(), 0);
#endif
}

TEST_F(Details, OfAMountPoint) {
  SKIP_WITHOUT_NAMESPACES();
  { const Handle lock(path_); }
  support::Child child([&] {
    CHILD_REQUIRE(support::enter_mount_namespace() && support::mount_over(path_, path_));
    const Handle lock(path_);
    CHILD_REQUIRE(shmutex_unlink(path_.c_str(), 0) == EBUSY);
    CHILD_REQUIRE(detail_has({path_, "mounted over it"}));
    CHILD_REQUIRE(shmutex_lock(lock) == 0);
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
}

// What the path leads to is looked at when the sentence is asked for.
TEST_F(Details, OfALockWhoseFileWasRemovedOrReplacedInUse) {
  const auto wait_for = [&](const Handle& lock) {
    std::thread([&] {
      EXPECT_EQ(shmutex_timedlock(lock, 1), ETIMEDOUT);
      EXPECT_FALSE(detail_has({"no longer leads"}));
      EXPECT_EQ(rename(path_.c_str(), (directory_ / "elsewhere").c_str()), 0);
      for (const bool replaced : {false, true}) {
        Handle other;
        if (replaced) {
          EXPECT_EQ(other.open(path_), 0);
        }
        EXPECT_EQ(shmutex_timedlock(lock, 1), ETIMEDOUT);
        EXPECT_TRUE(detail_has({path_, "no longer leads to this lock", "removed or replaced"}));
        EXPECT_EQ(shmutex_trylock(lock), EBUSY);
        EXPECT_TRUE(detail_has({path_, "no longer leads to this lock"}));
        EXPECT_EQ(shmutex_acquire(lock, 2 * support::second, SHMUTEX_INTERRUPTIBLE), EINTR);
        EXPECT_TRUE(detail_has({path_, "no longer leads to this lock"}));
        EXPECT_EQ(shmutex_trylock(nullptr), EINVAL);
        EXPECT_FALSE(detail_has({"no longer leads"}));
      }
    }).join();
  };
  const Handle lock(path_);
  ASSERT_EQ(shmutex_lock(lock), 0);
  wait_for(lock);
  EXPECT_EQ(support::info_of(lock).links, 0u);
}

// A relative path, where the absolute one is longer than the kernel says.
TEST_F(Details, OfAWorkingDirectoryDeeperThanThereArePaths) {
  support::Child child([&] {
    CHILD_REQUIRE(chdir(directory_.path().c_str()) == 0);
    const std::string name(250, 'd');
    for (int i = 0; i < 20; ++i) CHILD_REQUIRE(mkdir(name.c_str(), 0700) == 0 && chdir(name.c_str()) == 0);
    {
      const Handle lock("lock");
      CHILD_REQUIRE(lock.error() == 0 && shmutex_lock(lock) == 0);
      CHILD_REQUIRE(shmutex_lock(lock) == EDEADLK);
      CHILD_REQUIRE(detail_has({"holds lock already"}));
      const int here = open(".", O_PATH);
      CHILD_REQUIRE(chdir("/") == 0);
      CHILD_REQUIRE(support::info_of(lock).links == 1);  // as long as nothing else is known
      CHILD_REQUIRE(fchdir(here) == 0);
    }
    CHILD_REQUIRE(shmutex_unlink("lock", 0) == 0);
    for (int i = 0; i < 20; ++i) CHILD_REQUIRE(chdir("..") == 0 && rmdir(name.c_str()) == 0);
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(Details, OfAnotherWorldsUsers) {
  SKIP_WITHOUT_NAMESPACES();
  support::OtherBoot other(directory_.path(), path_);
  ASSERT_EQ(other.go_and_see(), 0);
  EXPECT_EQ(Handle(path_).error(), EXDEV);
  EXPECT_TRUE(detail_has({path_, "another boot id", "Give each its own"}));
}

TEST_F(Details, OfAcquisitions) {
  const Handle lock(path_);
  const std::string owner = std::to_string(getpid());
  ASSERT_EQ(shmutex_lock(lock), 0);
  EXPECT_EQ(shmutex_trylock(lock), EBUSY);
  EXPECT_TRUE(detail_has({path_, owner}));
  EXPECT_EQ(shmutex_lock(lock), EDEADLK);
  EXPECT_TRUE(detail_has({path_, "Release it", "SHMUTEX_RECURSIVE"}));
  support::Child other([&] {
    CHILD_REQUIRE(shmutex_timedlock(lock, 0) == ETIMEDOUT);
    CHILD_REQUIRE(detail_has({path_, owner}));
    CHILD_REQUIRE(shmutex_unlock(lock) == EPERM);
    CHILD_REQUIRE(detail_has({path_, owner}));
    CHILD_REQUIRE(shmutex_unlink(path_.c_str(), 0) == EBUSY);
    CHILD_REQUIRE(detail_has({path_, owner, "not removed"}));
    return 0;
  });
  EXPECT_EQ(other.wait(), 0);
  EXPECT_EQ(shmutex_close(lock), EBUSY);
  EXPECT_TRUE(detail_has({path_, owner, "Release it"}));
  EXPECT_EQ(shmutex_consistent(lock), EINVAL);
  EXPECT_TRUE(detail_has({path_}));
}

TEST_F(Details, OfADeadOwner) {
  const Handle lock(path_);
  support::Child owner([&] {
    shmutex_lock(lock);
    _exit(0);
    return 0;
  });
  const std::string dead = std::to_string(owner.pid());
  owner.wait();
  ASSERT_EQ(shmutex_lock(lock), EOWNERDEAD);
  EXPECT_TRUE(detail_has({path_, dead, "shmutex_consistent()"}));
}

TEST_F(Details, OfPoisonedAndRemovedLocks) {
  const Handle lock(path_);
  ASSERT_EQ(shmutex_lock(lock), 0);
  ASSERT_EQ(shmutex_poison(lock), 0);
  ASSERT_EQ(shmutex_unlock(lock), 0);
  EXPECT_EQ(shmutex_lock(lock), ENOTRECOVERABLE);
  EXPECT_TRUE(detail_has({path_, "poisoned", "shmutex_unlink()"}));
  ASSERT_EQ(shmutex_unlink(path_.c_str(), 0), 0);
  EXPECT_EQ(shmutex_lock(lock), EIDRM);
  EXPECT_TRUE(detail_has({path_, "removed", "open the lock again"}));
}

TEST_F(Details, OfTooManyLocksNamesTheOneThatWasRefused) {
  std::deque<Handle> held;
  int result = 0;
  while (result == 0) {
    held.emplace_back(path_ + std::to_string(held.size()));
    ASSERT_EQ(held.back().error(), 0);
    result = shmutex_lock(held.back());
  }
  EXPECT_EQ(result, ENOLCK);
  EXPECT_TRUE(detail_has({path_ + std::to_string(held.size() - 1), "1024"}));
}

TEST_F(Details, OfMemoryThatHoldsNoLock) {
  alignas(SHMUTEX_ALIGN) unsigned char memory[SHMUTEX_SIZE] = {};
  Handle lock;
  EXPECT_EQ(lock.attach(memory, sizeof memory), EBADMSG);
  EXPECT_TRUE(detail_has({"shmutex_init()", "SHMUTEX_INIT_ONCE"}));
  EXPECT_EQ(lock.attach(memory, SHMUTEX_SIZE - 1), EINVAL);
  EXPECT_TRUE(detail_has({"255", "256"}));
  EXPECT_EQ(lock.attach(memory + 8, SHMUTEX_SIZE), EINVAL);
  EXPECT_TRUE(detail_has({"aligned", "64"}));
}

TEST_F(Details, OfPermissionsDenied) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
  const Handle mine(path_);
  ASSERT_EQ(chmod(directory_.path().c_str(), 0755), 0);
  support::Child nobody([&] {
    CHILD_REQUIRE(setuid(65534) == 0);
    CHILD_REQUIRE(Handle(directory_ / "new").error() == EACCES);
    CHILD_REQUIRE(detail_has({directory_ / "new", "permissions"}));
    // Its parent's handle it has all the same; the name it may not open again.
    CHILD_REQUIRE(shmutex_unlink(path_.c_str(), 0) == EACCES);
    CHILD_REQUIRE(detail_has({path_, "permissions"}));
    return 0;
  });
  EXPECT_EQ(nobody.wait(), 0);
  EXPECT_EQ(support::names_in(directory_.path()).size(), 1u);
}

}  // namespace
