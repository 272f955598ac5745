// A lock's name: whose it may be, what shows it, and what keeps it from being tidied away.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "support/calls.h"
#include "support/namespaces.h"
#include "support/sandbox.h"
#include "support/support.h"

namespace {

using support::Child;
using support::Handle;

class Names : public testing::Test {
 protected:
  // The name of what is mapped at an address of this process.
  static std::string mapped_at(const void* address) {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
      unsigned long begin = 0;
      unsigned long end = 0;
      int name = 0;
      if (sscanf(line.c_str(), "%lx-%lx %*s %*s %*s %*s %n", &begin, &end, &name) != 2) continue;
      const auto at = reinterpret_cast<unsigned long>(address);
      if (begin <= at && at < end) return line.substr(static_cast<size_t>(name));
    }
    return "";
  }

  support::TempDir directory_;
  const std::string path_ = directory_ / "lock";
};

// In /proc/PID/maps and lsof(8), for its creator as for others.
TEST_F(Names, MappingHasTheNameOfTheLock) {
  const Handle created(path_);
  ASSERT_EQ(created.error(), 0);
  EXPECT_EQ(mapped_at(created.get()), path_);
  Child other([&] {
    const Handle opened(path_);
    CHILD_REQUIRE(mapped_at(opened.get()) == path_);
    return 0;
  });
  EXPECT_EQ(other.wait(), 0);
}

TEST_F(Names, MappingHasTheNameOfTheLockWhereThereAreNoUnnamedFiles) {
  Child child([&] {
    CHILD_REQUIRE(support::forbid_unnamed_files());
    const Handle created(path_);
    CHILD_REQUIRE(created.error() == 0);
    CHILD_REQUIRE(mapped_at(created.get()) == path_);
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
}

// Even where the mode keeps the creator itself from opening it again.
TEST_F(Names, LockOfAModeThatForbidsToOpenItIsCreatedAllTheSame) {
  Child child([&] {
    if (geteuid() == 0) CHILD_REQUIRE(chmod(directory_.path().c_str(), 0777) == 0 && setuid(65534) == 0);
    const Handle created(path_, 0, 0400);
    CHILD_REQUIRE(created.error() == 0 && shmutex_lock(created) == 0);
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
}

// Age-based cleaners look at these times; locking goes through a mapping and changes none.
TEST_F(Names, EveryOpenMakesTheFileYoung) {
  const Handle lock(path_);
  const timespec old[2] = {{1000, 0}, {1000, 0}};
  const auto youngest = [&](int opener) {
    EXPECT_EQ(utimensat(AT_FDCWD, path_.c_str(), old, 0), 0);
    if (opener == 0) {
      EXPECT_EQ(Handle(path_).error(), 0);
    } else {
      EXPECT_EQ(Child([&] { return Handle(path_).error(); }).wait(), 0);
    }
    struct stat status {};
    EXPECT_EQ(stat(path_.c_str(), &status), 0);
    return std::min(status.st_atim.tv_sec, status.st_mtim.tv_sec);
  };
  for (const int opener : {0, 1}) EXPECT_GT(youngest(opener), 1000);
}

// A copy has another inode than its header says. (cp -a, a backup that is restored beside it, a file moved to another
// disk.)
class Copies : public Names {
 protected:
  void copy() { support::write_content(copy_, support::content_of(path_)); }

  const std::string copy_ = directory_ / "copy";
};

TEST_F(Copies, CopyOfAFreeLockIsFree) {
  const Handle lock(path_);
  ASSERT_EQ(shmutex_lock(lock) | shmutex_unlock(lock), 0);
  copy();
  const Handle other(copy_);
  ASSERT_EQ(other.error(), 0);
  EXPECT_EQ(shmutex_lock(other), 0);
  EXPECT_EQ(shmutex_lock(lock), 0);
}

TEST_F(Copies, CopyOfAHeldLockIsNotHeldByTheOriginalsOwner) {
  const Handle lock(path_);
  ASSERT_EQ(shmutex_lock(lock), 0);
  copy();
  EXPECT_EQ(support::inspect(copy_).state, static_cast<uint32_t>(SHMUTEX_STATE_OWNER_DIED));
  EXPECT_EQ(support::inspect(copy_).owner_tid, 0);
  Handle other(copy_);
  ASSERT_EQ(other.error(), 0);
  EXPECT_EQ(shmutex_lock(other), EOWNERDEAD);
  EXPECT_EQ(shmutex_consistent(other), 0);
  EXPECT_EQ(shmutex_is_owned(lock), 1);
  Child third([&] {
    const Handle its(copy_);
    CHILD_REQUIRE(its.error() == 0 && shmutex_trylock(its) == EBUSY);
    return 0;
  });
  EXPECT_EQ(third.wait(), 0);
  // And from then on it is a lock like any other.
  other.close();
  EXPECT_EQ(other.open(copy_), 0);
  EXPECT_EQ(shmutex_lock(other), 0);
  EXPECT_EQ(shmutex_unlink(path_.c_str(), 0), EBUSY);
}

TEST_F(Copies, WaitersOfTheOriginalAreNoneOfTheCopy) {
  const Handle lock(path_);
  ASSERT_EQ(shmutex_lock(lock), 0);
  Child waiter([&] { return shmutex_lock(lock) == 0 && shmutex_unlock(lock) == 0 ? 0 : 1; });
  support::wait_until([&] { return support::info_of(lock).waiters != 0; });
  copy();
  const Handle other(copy_);
  EXPECT_EQ(shmutex_lock(other), EOWNERDEAD);
  EXPECT_EQ(shmutex_unlock(lock), 0);
  EXPECT_EQ(waiter.wait(), 0);
}

TEST_F(Copies, CopyOverALockInUseIsTheLockThatItIs) {
  const Handle lock(path_);
  const Handle victim(copy_);
  ASSERT_EQ(victim.error(), 0);
  copy();
  Child other([&] {
    const Handle its(copy_);
    CHILD_REQUIRE(its.error() == 0);
    CHILD_REQUIRE(shmutex_lock(its) == 0);
    CHILD_REQUIRE(shmutex_is_owned(victim) == 1);
    return shmutex_unlock(its);
  });
  EXPECT_EQ(other.wait(), 0);
  EXPECT_EQ(shmutex_lock(victim), 0);
}

TEST_F(Copies, RenamedLockAndItsOtherNamesAreNoCopies) {
  uint64_t token = 0;
  {
    const Handle lock(path_);
    ASSERT_EQ(shmutex_lock(lock), 0);
    token = shmutex_token(lock);
  }
  ASSERT_EQ(rename(path_.c_str(), copy_.c_str()), 0);
  ASSERT_EQ(link(copy_.c_str(), path_.c_str()), 0);
  const Handle lock(path_);
  EXPECT_EQ(shmutex_token(lock), token);
}

// fs.protected_regular(5), which the kernel applies to opens that may create.
class Planted : public Names {
 protected:
  void SetUp() override { SKIP_WITHOUT_NAMESPACES(); }

  // What a user gets in a directory with these bits, with the administrator's setting `level`. The file's owner is
  // 65533.
  int opened_by(uid_t user, mode_t directory_mode, const char* level, unsigned flags) {
    return Child([&] {
             CHILD_REQUIRE(chmod(directory_.path().c_str(), directory_mode) == 0);
             const std::string setting = "/tmp/shmutex-setting-" + std::to_string(getpid());
             support::write_content(setting, level);
             CHILD_REQUIRE(chmod(setting.c_str(), 0444) == 0);
             CHILD_REQUIRE(support::enter_mount_namespace());
             const bool set = support::mount_over(setting, "/proc/sys/fs/protected_regular");
             unlink(setting.c_str());
             CHILD_REQUIRE(set);
             CHILD_REQUIRE(setgid(user) == 0 && setuid(user) == 0);
             return Handle(path_, flags, 0666).error();
           })
        .wait();
  }
};

TEST_F(Planted, LockOfAnotherUserInAStickyDirectoryIsRefusedUnlessItMustExist) {
  { const Handle lock(path_, 0, 0666); }
  ASSERT_EQ(chown(path_.c_str(), 65533, 65533), 0);
  const uint64_t inode = support::inode_of(path_);
  for (const uid_t user : {65534u, 65533u, 0u}) {
    const bool own = user == 65533;
    const int refused = own ? 0 : EACCES;
    EXPECT_EQ(opened_by(user, 01777, "1\n", 0), refused) << user;
    EXPECT_EQ(opened_by(user, 01777, "2\n", SHMUTEX_ANY_ATTR), refused) << user;
    EXPECT_EQ(opened_by(user, 01777, "1\n", SHMUTEX_MUST_EXIST), 0) << user;
    EXPECT_EQ(opened_by(user, 01777, "1\n", SHMUTEX_MUST_CREATE), EEXIST) << user;
    EXPECT_EQ(opened_by(user, 01777, "0\n", 0), 0) << user;
    EXPECT_EQ(opened_by(user, 0777, "2\n", 0), 0) << user;   // not sticky
    EXPECT_EQ(opened_by(user, 01755, "2\n", 0), 0) << user;  // nobody else may write there
    EXPECT_EQ(opened_by(user, 01775, "1\n", 0), 0) << user;
    EXPECT_EQ(opened_by(user, 01775, "2\n", 0), refused) << user;
  }
  // What the directory's owner puts there was not planted.
  ASSERT_EQ(chown(path_.c_str(), 0, 0), 0);
  EXPECT_EQ(opened_by(65534, 01777, "2\n", 0), 0);
  EXPECT_EQ(support::inode_of(path_), inode);
}

}  // namespace
