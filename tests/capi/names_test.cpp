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

// fs.protected_regular(5), which the kernel applies to opens that may create.
class Planted : public Names {
 protected:
  void SetUp() override { SKIP_WITHOUT_NAMESPACES(); }

  // What a user gets in a directory with these bits, with the administrator's setting `level`. The file's owner is 65533.
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
