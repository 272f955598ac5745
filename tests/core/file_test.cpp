// The file system calls that lock files are made of.
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/clock.h"
#include "support/support.h"

namespace shmutex::file {
namespace {

class File : public testing::Test {
 protected:
  Descriptor open_new() {
    Descriptor fd;
    EXPECT_EQ(open_exclusively(path_.c_str(), fd), 0);
    return fd;
  }
  Descriptor open_again() {
    Descriptor fd;
    EXPECT_EQ(open_existing(path_.c_str(), true, fd), 0);
    return fd;
  }

  support::TempDir directory_;
  const std::string path_ = directory_ / "file";
};

TEST_F(File, DescriptorIsClosedOnceAndMoved) {
  int number = -1;
  {
    Descriptor fd = open_new();
    number = fd.get();
    Descriptor moved(std::move(fd));
    EXPECT_EQ(fd.get(), -1);
    EXPECT_EQ(moved.get(), number);
    EXPECT_EQ(fcntl(number, F_GETFD), FD_CLOEXEC);
  }
  EXPECT_EQ(fcntl(number, F_GETFD), -1);
}

TEST_F(File, UnnamedFileGetsANameOnce) {
  Descriptor fd;
  ASSERT_EQ(open_unnamed(path_.c_str(), fd), 0);
  struct stat status {};
  EXPECT_EQ(status_of_name(path_.c_str(), status), -ENOENT);
  EXPECT_EQ(give_name(fd.get(), path_.c_str()), 0);
  EXPECT_EQ(status_of_name(path_.c_str(), status), 0);
  struct stat own {};
  EXPECT_EQ(file::status(fd.get(), own), 0);
  EXPECT_TRUE(is_same(status, own));
  EXPECT_EQ(give_name(fd.get(), path_.c_str()), -EEXIST);
}

TEST_F(File, ExclusiveOpenIsExclusive) {
  const Descriptor fd = open_new();
  Descriptor second;
  EXPECT_EQ(open_exclusively(path_.c_str(), second), -EEXIST);
}

TEST_F(File, ShortReadsAreErrors) {
  const Descriptor fd = open_new();
  char bytes[8] = "1234567";
  ASSERT_EQ(write_at(fd.get(), bytes, sizeof bytes, 0), 0);
  EXPECT_EQ(read_at(fd.get(), bytes, sizeof bytes, 0), 0);
  EXPECT_EQ(read_at(fd.get(), bytes, sizeof bytes, 1), -EIO);
  EXPECT_EQ(read_at(fd.get(), bytes, sizeof bytes, 100), -EIO);
}

TEST_F(File, HoldsBelongToTheOpenFile) {
  const Descriptor a = open_new();
  const Descriptor b = open_again();
  OfdLock seen = OfdLock::none;
  EXPECT_EQ(ofd_lock(a.get(), 0, OfdLock::shared), 0);
  EXPECT_EQ(ofd_lock(b.get(), 0, OfdLock::shared), 0);
  EXPECT_EQ(ofd_lock(b.get(), 0, OfdLock::exclusive), -EAGAIN);
  EXPECT_EQ(query_ofd_lock(b.get(), 0, seen), 0);
  EXPECT_EQ(seen, OfdLock::shared);
  EXPECT_EQ(ofd_lock(a.get(), 0, OfdLock::none), 0);
  EXPECT_EQ(ofd_lock(b.get(), 0, OfdLock::exclusive), 0);
  EXPECT_EQ(query_ofd_lock(a.get(), 0, seen), 0);
  EXPECT_EQ(seen, OfdLock::exclusive);
  EXPECT_EQ(query_ofd_lock(a.get(), 1, seen), 0);
  EXPECT_EQ(seen, OfdLock::none);
}

TEST_F(File, PatienceEnds) {
  const Descriptor a = open_new();
  const Descriptor b = open_again();
  ASSERT_EQ(ofd_lock(a.get(), 0, OfdLock::exclusive), 0);
  const int64_t deadline = now_ns() + 30 * millisecond;
  EXPECT_EQ(ofd_lock_until(b.get(), 0, OfdLock::exclusive, deadline), -EAGAIN);
  EXPECT_GE(now_ns(), deadline);
  ASSERT_EQ(ofd_lock(a.get(), 0, OfdLock::none), 0);
  EXPECT_EQ(ofd_lock_until(b.get(), 0, OfdLock::exclusive, 0), 0);
}

TEST_F(File, SymbolicLinksAreNotOpened) {
  ASSERT_EQ(symlink("/dev/null", path_.c_str()), 0);
  Descriptor fd;
  EXPECT_EQ(open_existing(path_.c_str(), true, fd), -ELOOP);
}

TEST_F(File, KnownFileSystemsOnly) {
  const Descriptor fd = open_new();
  int64_t type = 0;
  ASSERT_EQ(file_system_type(fd.get(), type), 0);
  EXPECT_EQ(type, 0x01021994);
  for (const int64_t supported : {0x01021994, 0xEF53, 0x58465342, 0x2FC12FC1, 0x794C7630}) {
    EXPECT_TRUE(is_supported(supported)) << supported;
  }
  EXPECT_TRUE(is_supported(0xF2F52010));
  EXPECT_FALSE(is_supported(0x9123683E)) << "btrfs: a full one would end the process in the middle of a lock call";
  // NFS, CIFS, SMB2, FUSE, 9p, Ceph, hugetlbfs, ramfs, proc.
  for (const int64_t other : {0x6969, 0x65735546, 0x01021997, 0x00c36400, 0x9fa0}) EXPECT_FALSE(is_supported(other));
  for (const int64_t other : {0xFF534D42, 0xFE534D42, 0x958458f6, 0x858458f6}) EXPECT_FALSE(is_supported(other));
}

TEST_F(File, NumberThatWasGivenToAnotherIsNotTakenForOurs) {
  const off_t position = off_t{1} << 32 | 4711;
  Descriptor fd = open_new();
  struct stat own {};
  ASSERT_EQ(status(fd.get(), own), 0);
  EXPECT_FALSE(is_marked(fd.get(), position, own.st_dev, own.st_ino));
  ASSERT_EQ(mark(fd.get(), position), 0);
  EXPECT_TRUE(is_marked(fd.get(), position, own.st_dev, own.st_ino));
  // A copy of it is the same open file; another of the same file is not.
  const Descriptor copy(dup(fd.get()));
  EXPECT_TRUE(is_marked(copy.get(), position, own.st_dev, own.st_ino));
  const Descriptor second = open_again();
  ASSERT_EQ(dup2(second.get(), fd.get()), fd.get());
  EXPECT_FALSE(is_marked(fd.get(), position, own.st_dev, own.st_ino));
  const int number = fd.get();
  fd.reset();
  EXPECT_FALSE(is_marked(number, position, own.st_dev, own.st_ino));
}

class RightToRemove : public File {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
    ASSERT_EQ(chmod(directory_.path().c_str(), 0777), 0);
    open_new();
  }

  int asked_as(uid_t user) {
    return support::Child([&] {
             if (setgid(user) != 0 || setuid(user) != 0) return 1000;
             return -may_remove_name(path_.c_str());
           })
        .wait();
  }
};

// The answers are those of unlink(2).
TEST_F(RightToRemove, IsThatOfTheDirectory) {
  EXPECT_EQ(asked_as(0), 0);
  EXPECT_EQ(asked_as(65534), 0);
  ASSERT_EQ(chmod(directory_.path().c_str(), 0755), 0);
  EXPECT_EQ(asked_as(65534), EACCES);
  EXPECT_EQ(asked_as(0), 0);
}

TEST_F(RightToRemove, IsTheOwnersInAStickyDirectory) {
  ASSERT_EQ(chmod(directory_.path().c_str(), 01777), 0);
  EXPECT_EQ(asked_as(65534), EPERM);
  EXPECT_EQ(asked_as(0), 0);
  ASSERT_EQ(chown(path_.c_str(), 65534, 65534), 0);
  EXPECT_EQ(asked_as(65534), 0);
  EXPECT_EQ(asked_as(65533), EPERM);
  ASSERT_EQ(chown(directory_.path().c_str(), 65533, 65533), 0);
  EXPECT_EQ(asked_as(65533), 0);
}

TEST_F(RightToRemove, ChangesNothing) {
  struct stat before {};
  struct stat after {};
  ASSERT_EQ(status_of_name(path_.c_str(), before), 0);
  EXPECT_EQ(may_remove_name(path_.c_str()), 0);
  ASSERT_EQ(status_of_name(path_.c_str(), after), 0);
  EXPECT_TRUE(is_same(before, after));
  EXPECT_EQ(may_remove_name((directory_ / "missing").c_str()), -ENOENT);
}

TEST_F(File, TouchMakesItYoung) {
  const Descriptor fd = open_new();
  const timespec old[2] = {{1000, 0}, {1000, 0}};
  ASSERT_EQ(futimens(fd.get(), old), 0);
  ASSERT_EQ(touch(fd.get()), 0);
  struct stat found {};
  ASSERT_EQ(status(fd.get(), found), 0);
  EXPECT_GT(found.st_atim.tv_sec, 1000);
  EXPECT_GT(found.st_mtim.tv_sec, 1000);
}

}  // namespace
}  // namespace shmutex::file
