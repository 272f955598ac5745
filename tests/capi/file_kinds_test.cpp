// What may stand under the name: nothing, a lock, something else. Flags, modes, and other names of one file.
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "support/calls.h"
#include "support/kind.h"
#include "support/lock_page.h"
#include "support/namespaces.h"
#include "support/support.h"

namespace {

using support::Handle;
using support::LockPage;

class FileKinds : public testing::Test {
 protected:
  // Neither opened nor removed nor written to.
  void expect_refused(int code, const std::string& what) {
    const std::string before = support::content_of(path_);
    EXPECT_EQ(CALL(Handle(path_).error()), code) << what;
    EXPECT_EQ(CALL(Handle(path_, SHMUTEX_MUST_EXIST | SHMUTEX_ANY_ATTR).error()), code) << what;
    EXPECT_EQ(CALL(shmutex_unlink(path_.c_str(), 0)), code) << what;
    EXPECT_EQ(support::content_of(path_), before) << what;
  }

  // The same for what is no regular file, and must not be opened to be read.
  void expect_refused_unread(int code) {
    EXPECT_EQ(CALL(Handle(path_).error()), code);
    EXPECT_EQ(CALL(shmutex_unlink(path_.c_str(), 0)), code);
    struct stat status {};
    EXPECT_EQ(lstat(path_.c_str(), &status), 0);
  }

  support::TempDir directory_;
  const std::string path_ = directory_ / "lock";
};

TEST_F(FileKinds, EmptyFile) {
  support::write_content(path_, "");
  expect_refused(EBADMSG, "empty");
}

TEST_F(FileKinds, ZeroesOfAnySize) {
  for (const size_t size : {1, 63, 64, 191, 4095, 4096, 4097, 65536, 1 << 20}) {
    support::write_content(path_, std::string(size, '\0'));
    expect_refused(EBADMSG, std::to_string(size));
  }
}

TEST_F(FileKinds, RandomBytes) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 50; ++round) {
    std::string content(round % 2 == 0 ? 4096 : random() % 10000, '\0');
    for (char& c : content) c = static_cast<char>(random());
    support::write_content(path_, content);
    expect_refused(EBADMSG, "round " + std::to_string(round));
  }
}

TEST_F(FileKinds, LockFileTruncatedToAnySize) {
  const std::string whole = LockPage().bytes();
  for (const size_t size : {1ul, 8ul, 63ul, 64ul, 128ul, 2048ul, whole.size() - 64, whole.size() - 1}) {
    support::write_content(path_, whole.substr(0, size));
    expect_refused(EBADMSG, std::to_string(size));
  }
}

TEST_F(FileKinds, LockFileWithMoreBehindIt) {
  const std::string whole = LockPage().bytes();
  for (const size_t more : {size_t{1}, size_t{64}, whole.size(), 15 * whole.size()}) {
    support::write_content(path_, whole + std::string(more, '\0'));
    expect_refused(EBADMSG, std::to_string(more));
  }
}

TEST_F(FileKinds, EveryFlippedBitOfTheHeader) {
  const std::string whole = LockPage().bytes();
  for (size_t bit = 0; bit < 8 * offsetof(shmutex::Header, advice); ++bit) {
    // A version that is not ours is believed: its checksum is nothing we know.
    if (bit / 8 >= offsetof(shmutex::Header, version) && bit / 8 < offsetof(shmutex::Header, kind)) continue;
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    support::write_content(path_, flipped);
    expect_refused(EBADMSG, "bit " + std::to_string(bit));
  }
}

TEST_F(FileKinds, ForeignFileIsNotReplacedByMustCreate) {
  support::write_content(path_, "precious");
  EXPECT_EQ(CALL(Handle(path_, SHMUTEX_MUST_CREATE).error()), EEXIST);
  EXPECT_EQ(support::content_of(path_), "precious");
}

TEST_F(FileKinds, Directory) {
  ASSERT_EQ(mkdir(path_.c_str(), 0700), 0);
  expect_refused_unread(EINVAL);
  EXPECT_EQ(CALL(Handle("/").error()), EINVAL);
  EXPECT_EQ(CALL(Handle(path_ + "/").error()), EINVAL);
  EXPECT_EQ(CALL(Handle(path_ + "/.").error()), EINVAL);
}

TEST_F(FileKinds, Fifo) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  expect_refused_unread(EINVAL);
}

TEST_F(FileKinds, Socket) {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path_.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  expect_refused_unread(EINVAL);
  close(fd);
}

TEST_F(FileKinds, Devices) {
  EXPECT_EQ(CALL(Handle("/dev/null").error()), EINVAL);
  EXPECT_EQ(CALL(shmutex_unlink("/dev/zero", 0)), EINVAL);
  if (mknod(path_.c_str(), S_IFCHR | 0600, makedev(1, 3)) != 0) GTEST_SKIP() << "needs CAP_MKNOD";
  expect_refused_unread(EINVAL);
  ASSERT_EQ(unlink(path_.c_str()), 0);
  ASSERT_EQ(mknod(path_.c_str(), S_IFBLK | 0600, makedev(7, 200)), 0);
  expect_refused_unread(EINVAL);
}

TEST_F(FileKinds, SymbolicLinkIsNotFollowed) {
  const std::string target = directory_ / "target";
  const Handle lock(target);
  ASSERT_EQ(symlink(target.c_str(), path_.c_str()), 0);
  expect_refused_unread(ELOOP);
  EXPECT_EQ(CALL(Handle(path_, SHMUTEX_MUST_EXIST).error()), ELOOP);
}

TEST_F(FileKinds, DanglingSymbolicLinkCreatesNothing) {
  ASSERT_EQ(symlink((directory_ / "nowhere").c_str(), path_.c_str()), 0);
  expect_refused_unread(ELOOP);
  EXPECT_NE(CALL(Handle(path_, SHMUTEX_MUST_CREATE).error()), 0);
  EXPECT_EQ(support::names_in(directory_.path()).size(), 1u);
}

TEST_F(FileKinds, SymbolicLinkToADirectoryOnTheWayIsFollowed) {
  ASSERT_EQ(mkdir((directory_ / "real").c_str(), 0700), 0);
  ASSERT_EQ(symlink((directory_ / "real").c_str(), (directory_ / "alias").c_str()), 0);
  const Handle lock(directory_ / "alias/lock");
  EXPECT_EQ(lock.error(), 0);
  EXPECT_EQ(support::names_in(directory_ / "real").size(), 1u);
}

TEST_F(FileKinds, MissingAndUnusableDirectories) {
  EXPECT_EQ(CALL(Handle(directory_ / "missing/lock").error()), ENOENT);
  EXPECT_EQ(CALL(shmutex_unlink((directory_ / "missing/lock").c_str(), 0)), ENOENT);
  support::write_content(directory_ / "file", "");
  EXPECT_EQ(CALL(Handle(directory_ / "file/lock").error()), ENOTDIR);
  EXPECT_EQ(CALL(Handle(directory_ / std::string(256, 'n')).error()), ENAMETOOLONG);
}

TEST_F(FileKinds, MustExistAndMustCreate) {
  EXPECT_EQ(CALL(Handle(path_, SHMUTEX_MUST_EXIST).error()), ENOENT);
  EXPECT_TRUE(support::names_in(directory_.path()).empty());
  const Handle created(path_, SHMUTEX_MUST_CREATE);
  EXPECT_EQ(created.error(), 0);
  EXPECT_EQ(CALL(Handle(path_, SHMUTEX_MUST_CREATE).error()), EEXIST);
  EXPECT_EQ(CALL(Handle(path_, SHMUTEX_MUST_EXIST).error()), 0);
  EXPECT_EQ(CALL(shmutex_lock(created)), 0);
}

TEST_F(FileKinds, RefusedMustCreateLeavesNoHandleBehind) {
  support::Child creator([&] { return Handle(path_).error(); });
  ASSERT_EQ(creator.wait(), 0);
  const size_t before = support::mappings();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Handle(path_, SHMUTEX_MUST_CREATE).error(), EEXIST);
  EXPECT_LE(support::mappings(), before + 1);  // the library's own page at first use
}

TEST_F(FileKinds, AttributesOfAnExistingLockMustBeThoseAskedFor) {
  for (const unsigned made : support::all_attributes) {
    const std::string path = directory_ / std::to_string(made);
    { const Handle lock(path, made); }
    for (const bool open_already : {false, true}) {
      Handle kept;
      if (open_already) {
        ASSERT_EQ(kept.open(path, made), 0);
      }
      for (const unsigned asked : support::all_attributes) {
        EXPECT_EQ(CALL(Handle(path, asked).error()), asked == made ? 0 : EPROTOTYPE);
        const Handle any(path, asked | SHMUTEX_ANY_ATTR);
        EXPECT_EQ(any.error(), 0);
        EXPECT_EQ(support::info_of(any).attributes, made);
      }
    }
  }
}

TEST_F(FileKinds, ModeIsAsAskedForWhateverTheUmask) {
  const mode_t before = umask(077);
  for (const mode_t mask : {0u, 022u, 077u, 0777u}) {
    umask(mask);
    for (const unsigned mode : {0u, 0600u, 0640u, 0660u, 0666u, 0644u, 0777u, 0400u}) {
      const std::string path = directory_ / (std::to_string(mask) + "-" + std::to_string(mode));
      const Handle lock(path, 0, mode);
      EXPECT_EQ(lock.error(), 0);
      struct stat status {};
      ASSERT_EQ(stat(path.c_str(), &status), 0);
      EXPECT_EQ(status.st_mode & 07777, mode == 0 ? 0600 : mode) << mask;
    }
  }
  umask(before);
}

TEST_F(FileKinds, ModeOfAnExistingFileIsLeftAlone) {
  { const Handle lock(path_, 0, 0640); }
  const Handle again(path_, 0, 0666);
  struct stat status {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640u);
}

// Held under one name, it is held under the other, for this process and for others.
void expect_one_lock(const std::string& a, const std::string& b) {
  const Handle first(a);
  const Handle second(b);
  ASSERT_EQ(first.error(), 0);
  ASSERT_EQ(second.error(), 0);
  ASSERT_EQ(CALL(shmutex_lock(first)), 0);
  EXPECT_EQ(CALL(shmutex_is_owned(second)), 1);
  EXPECT_EQ(CALL(shmutex_lock(second)), EDEADLK);
  support::Child other([&] {
    const Handle its(b);
    CHILD_REQUIRE(shmutex_trylock(its) == EBUSY);
    return 0;
  });
  EXPECT_EQ(other.wait(), 0);
  EXPECT_EQ(CALL(shmutex_unlock(second)), 0);
  EXPECT_EQ(CALL(shmutex_is_owned(first)), 0);
}

TEST_F(FileKinds, HardLinksAreOneLock) {
  { const Handle lock(path_); }
  ASSERT_EQ(link(path_.c_str(), (directory_ / "other").c_str()), 0);
  expect_one_lock(path_, directory_ / "other");
}

TEST_F(FileKinds, RelativeAndAbsolutePathsAreOneLock) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(directory_.path());
  expect_one_lock(path_, "lock");
  expect_one_lock("./lock", directory_.path() + "//lock");
  std::filesystem::current_path(before);
}

TEST_F(FileKinds, RelativePathOpenedBeforeChdirStaysTheSameLock) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(directory_.path());
  const Handle lock("lock");
  ASSERT_EQ(mkdir("sub", 0700), 0);
  std::filesystem::current_path(directory_ / "sub");
  const Handle another("lock");
  ASSERT_EQ(another.error(), 0);
  EXPECT_EQ(shmutex_lock(lock), 0);
  EXPECT_EQ(shmutex_is_owned(another), 0);
  EXPECT_EQ(shmutex_lock(another), 0);
  std::filesystem::current_path(before);
}

TEST_F(FileKinds, BindMountsAreOneLock) {
  SKIP_WITHOUT_NAMESPACES();
  support::Child child([&] {
    const std::string mounted = directory_ / "mounted";
    CHILD_REQUIRE(mkdir(mounted.c_str(), 0700) == 0);
    CHILD_REQUIRE(mkdir((directory_ / "real").c_str(), 0700) == 0);
    CHILD_REQUIRE(support::enter_mount_namespace() && support::mount_over(directory_ / "real", mounted));
    expect_one_lock(directory_ / "real/lock", mounted + "/lock");
    return testing::Test::HasFailure() ? 1 : 0;
  });
  EXPECT_EQ(child.wait(), 0);
}

}  // namespace
