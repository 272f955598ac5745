// Opening where others may change what a path leads to.
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <shmutex/shmutex.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <iterator>
#include <set>
#include <string>

#include "footprint.h"
#include "support/lock_page.h"
#include "support/support.h"

namespace {

using support::Child;
using support::LockPage;

// Runs body as the user nobody.
int as_nobody(const std::function<int()>& body) {
  return Child([&] {
           if (setgid(65534) != 0 || setuid(65534) != 0) return 77;
           return body();
         })
      .wait();
}

// The result of a call that gives the same again and again, and leaves nothing behind. 200: it does not.
int without_leaks(const std::function<int()>& call) {
  const int result = call();
  if (call() != result) return 200;
  footprint::Watch watch;
  for (int i = 0; i < 20; ++i) {
    if (call() != result) return 200;
  }
  return watch.leaked_something() ? 200 : result;
}

int open_once(const std::string& path) {
  shmutex_t* m = nullptr;
  const int error = shmutex_open(&m, path.c_str(), 0, 0);
  if (error == 0) shmutex_close(m);
  return error;
}

TEST(HostilePaths, WhatThePathLeadsToIsSwappedAllTheTime) {
  support::TempDir dir;
  const std::string path = dir / "lock";
  const std::string precious = dir / "precious";
  const std::string text(4096, 'x');
  std::ofstream(precious) << text;
  Child swapper([&] {
    const std::string spare = dir / "spare";
    for (unsigned i = 0;; ++i) {
      switch (i % 5) {
        case 0: (void)!symlink(precious.c_str(), spare.c_str()); break;
        case 1: (void)!symlink((dir / "nowhere").c_str(), spare.c_str()); break;
        case 2: mkfifo(spare.c_str(), 0600); break;
        case 3: std::ofstream(spare) << "not a lock"; break;
        default: unlink(path.c_str()); continue;
      }
      rename(spare.c_str(), path.c_str());
      if (i % 3 == 0) {
        unlink(path.c_str());
        mkdir(path.c_str(), 0700);
        rmdir(path.c_str());
      }
    }
    return 0;
  });
  std::set<int> seen;
  // Until the swapper has got in between: the scheduler's decision.
  while (seen.size() < 3) seen.insert(open_once(path));
  footprint::Watch watch;
  for (int i = 0; i < 20000; ++i) seen.insert(open_once(path));
  EXPECT_TRUE(watch.nothing_leaked());
  swapper.kill_and_wait();
  for (const int code : seen) {
    EXPECT_TRUE(code == 0 || code == ELOOP || code == EINVAL || code == EBADMSG || code == EBUSY) << code;
  }
  std::ifstream after(precious);
  EXPECT_EQ(text, std::string(std::istreambuf_iterator<char>(after), {})) << "a file behind a link was written to";
  EXPECT_NE(0, access((dir / "nowhere").c_str(), F_OK)) << "a file was made behind a dangling link";
}

TEST(HostilePaths, FailuresLeakNeitherDescriptorsNorMappings) {
  support::TempDir dir;
  std::ofstream(dir / "text") << "hello";
  std::ofstream(dir / "zeros") << std::string(4096, '\0');
  (void)!symlink("text", (dir / "link").c_str());
  mkfifo((dir / "fifo").c_str(), 0600);
  const auto fail_in_every_way = [&] {
    EXPECT_EQ(EBADMSG, open_once(dir / "text"));
    EXPECT_EQ(EBADMSG, open_once(dir / "zeros"));
    EXPECT_EQ(ELOOP, open_once(dir / "link"));
    EXPECT_EQ(EINVAL, open_once(dir / "fifo"));
    EXPECT_EQ(EINVAL, open_once(dir.path()));
    EXPECT_EQ(ENOENT, open_once(dir / "none/lock"));
    EXPECT_EQ(ENOTDIR, open_once(dir / "text/lock"));
    EXPECT_EQ(ENOTSUP, open_once("/proc/self/maps"));
  };
  constexpr int rounds = 300;
  for (int i = 0; i < rounds; ++i) fail_in_every_way();  // the allocator's own mappings settle
  footprint::Watch watch;
  for (int i = 0; i < rounds; ++i) fail_in_every_way();
  EXPECT_TRUE(watch.nothing_leaked());
}

class OtherUser : public testing::Test {
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
  }
};

TEST_F(OtherUser, MayNotOpenAPrivateLock) {
  support::TempDir dir;
  chmod(dir.path().c_str(), 0755);
  ASSERT_EQ(0, open_once(dir / "lock"));
  EXPECT_EQ(EACCES, as_nobody([&] { return without_leaks([&] { return open_once(dir / "lock"); }); }));
  EXPECT_EQ(EACCES,
            as_nobody([&] { return without_leaks([&] { return shmutex_unlink((dir / "lock").c_str(), 0); }); }));
  EXPECT_EQ(EACCES, as_nobody([&] { return without_leaks([&] { return open_once(dir / "new"); }); }));
}

TEST_F(OtherUser, MayShareALockThatIsOpenToAll) {
  support::TempDir dir;
  chmod(dir.path().c_str(), 0755);
  shmutex_t* m = nullptr;
  ASSERT_EQ(0, shmutex_open(&m, (dir / "lock").c_str(), 0, 0666));
  EXPECT_EQ(0, as_nobody([&] {
              if (without_leaks([&] { return open_once(dir / "lock"); }) != 0) return 2;
              shmutex_t* theirs = nullptr;
              if (shmutex_open(&theirs, (dir / "lock").c_str(), 0, 0) != 0) return 1;
              return shmutex_lock(theirs);  // and dies inside
            }));
  EXPECT_EQ(EOWNERDEAD, shmutex_lock(m));
  EXPECT_EQ(0, shmutex_unlock(m));
  EXPECT_EQ(0, shmutex_close(m));
}

// With permission to read only: a file lock holds up a take-over, and nothing else.
TEST_F(OtherUser, MayHoldUpATakeOverOfWhatTheyMayRead) {
  support::TempDir dir;
  chmod(dir.path().c_str(), 0755);
  const std::string stale = dir / "stale";
  const std::string usable = dir / "usable";
  LockPage().of_another_boot().write(stale);
  ASSERT_EQ(0, open_once(usable));
  for (const std::string& path : {stale, usable}) chmod(path.c_str(), 0644);
  support::Shared<support::Flag> locked;
  Child reader([&] {
    if (setgid(65534) != 0 || setuid(65534) != 0) return 77;
    for (const std::string& path : {stale, usable}) {
      struct flock users_byte {};
      users_byte.l_type = F_RDLCK;
      users_byte.l_whence = SEEK_SET;
      users_byte.l_len = 1;
      const int fd = open(path.c_str(), O_RDONLY);
      if (fd < 0 || fcntl(fd, F_OFD_SETLK, &users_byte) != 0) return 1;
    }
    locked->raise();
    for (;;) pause();
    return 0;
  });
  locked->wait();
  EXPECT_EQ(EXDEV, open_once(stale));
  shmutex_t* m = nullptr;
  ASSERT_EQ(0, shmutex_open(&m, usable.c_str(), 0, 0));
  EXPECT_EQ(0, shmutex_lock(m));
  EXPECT_EQ(0, shmutex_unlock(m));
  EXPECT_EQ(0, shmutex_close(m));
  reader.kill_and_wait();
  EXPECT_EQ(0, open_once(stale));
}

// A sticky directory: every user may create, only the owner may remove. A user that cannot remove the lock leaves it
// usable.
TEST_F(OtherUser, CannotRemoveALockFromAStickyDirectory) {
  support::TempDir dir;
  chmod(dir.path().c_str(), 01777);
  shmutex_t* m = nullptr;
  ASSERT_EQ(0, shmutex_open(&m, (dir / "lock").c_str(), 0, 0666));
  // As unlink(2) says of sticky directories. Every user may lock it, so nothing else stands in the way.
  EXPECT_EQ(EPERM, as_nobody([&] { return without_leaks([&] { return shmutex_unlink((dir / "lock").c_str(), 0); }); }));
  EXPECT_EQ(0, shmutex_lock(m));
  EXPECT_EQ(0, shmutex_unlock(m));
  EXPECT_EQ(0, shmutex_close(m));
  EXPECT_EQ(0, shmutex_unlink((dir / "lock").c_str(), 0));
}

}  // namespace
