// Descriptors, mappings and memory: none leak, and running out of them is an error and no more.
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <deque>
#include <fstream>
#include <string>
#include <vector>

#include "hostile/footprint.h"
#include "support/calls.h"
#include "support/lock_page.h"
#include "support/support.h"

namespace {

using support::Child;
using support::Handle;

class Resources : public testing::Test {
 protected:
  // Whatever the library keeps from its first use on.
  void warm_up() { EXPECT_EQ(Handle(directory_ / "first").error(), 0); }

  support::TempDir directory_;
  const std::string path_ = directory_ / "lock";
};

TEST_F(Resources, TenThousandOpensAndClosesLeakNothing) {
  warm_up();
  const size_t descriptors = support::open_descriptors();
  const size_t mappings = support::mappings();
  for (int i = 0; i < 10'000; ++i) {
    const Handle lock(path_);
    ASSERT_EQ(lock.error(), 0);
    if (i % 100 == 0) {
      ASSERT_EQ(shmutex_lock(lock), 0);
    }
  }
  EXPECT_EQ(support::open_descriptors(), descriptors);
  EXPECT_EQ(support::mappings(), mappings);
}

TEST_F(Resources, TenThousandCreationsAndRemovalsLeakNothing) {
  warm_up();
  const size_t descriptors = support::open_descriptors();
  const size_t mappings = support::mappings();
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_EQ(Handle(path_).error(), 0);
    ASSERT_EQ(shmutex_unlink(path_.c_str(), 0), 0);
  }
  EXPECT_EQ(support::open_descriptors(), descriptors);
  EXPECT_EQ(support::mappings(), mappings);
}

TEST_F(Resources, OpenLocksKeepNoDescriptors) {
  warm_up();
  const size_t descriptors = support::open_descriptors();
  std::deque<Handle> locks;
  for (int i = 0; i < 1000; ++i) {
    locks.emplace_back(path_ + std::to_string(i));
    ASSERT_EQ(locks.back().error(), 0);
  }
  EXPECT_EQ(support::open_descriptors(), descriptors);
}

TEST_F(Resources, LiveUserLockOutlivesTheDescriptorAndEndsWithTheHandle) {
  Handle lock(path_);
  const auto seen_from_outside = [&] {
    const int fd = open(path_.c_str(), O_RDWR | O_CLOEXEC);
    struct flock probe {};
    probe.l_type = F_WRLCK;
    probe.l_whence = SEEK_SET;
    probe.l_len = 1;
    EXPECT_EQ(fcntl(fd, F_OFD_GETLK, &probe), 0);
    close(fd);
    return probe.l_type;
  };
  EXPECT_EQ(seen_from_outside(), F_RDLCK);
  lock.close();
  EXPECT_EQ(seen_from_outside(), F_UNLCK);
}

TEST_F(Resources, FailedOpensLeakNothing) {
  warm_up();
  support::write_content(directory_ / "foreign", "no lock");
  { const Handle fair(directory_ / "fair", SHMUTEX_FAIR); }
  const size_t descriptors = support::open_descriptors();
  const size_t mappings = support::mappings();
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(Handle(directory_ / "foreign").error(), EBADMSG);
    ASSERT_EQ(Handle(directory_ / "fair").error(), EPROTOTYPE);
    ASSERT_EQ(Handle(directory_ / "fair", SHMUTEX_MUST_CREATE).error(), EEXIST);
    ASSERT_EQ(Handle(directory_ / "missing", SHMUTEX_MUST_EXIST).error(), ENOENT);
    ASSERT_EQ(shmutex_unlink((directory_ / "foreign").c_str(), 0), EBADMSG);
  }
  EXPECT_EQ(support::open_descriptors(), descriptors);
  EXPECT_EQ(support::mappings(), mappings);
}

// Opens, acquires and removes with only so many descriptors left; at each number, all or nothing.
TEST_F(Resources, EveryNumberOfDescriptorsGivesALockOrAnError) {
  Child child([&] {
    bool refused = false;
    bool opened = false;
    for (rlim_t spare = 0; spare < 5; ++spare) {
      Child with_limit([&, spare] {
        const auto used = static_cast<rlim_t>(dup(0));
        close(static_cast<int>(used));
        rlimit usual{};
        getrlimit(RLIMIT_NOFILE, &usual);
        const rlimit limit{used + spare, usual.rlim_max};
        const auto open_within = [&](const std::string& path) {
          setrlimit(RLIMIT_NOFILE, &limit);
          Handle lock;
          int result = lock.open(path);
          if (result == 0 && (shmutex_lock(lock) != 0 || shmutex_unlock(lock) != 0)) result = EINVAL;
          lock.close();
          setrlimit(RLIMIT_NOFILE, &usual);
          return result;
        };
        const std::string path = path_ + std::to_string(spare);
        const int result = open_within(path);
        CHILD_REQUIRE(result == 0 || result == EMFILE);
        CHILD_REQUIRE(static_cast<rlim_t>(dup(0)) == used);
        close(static_cast<int>(used));
        CHILD_REQUIRE(open_within(path) == result);
        footprint::Watch watch;
        for (int i = 0; i < 100; ++i) {
          const rlimit one_more{limit.rlim_cur + 1, usual.rlim_max};  // the watch's own
          setrlimit(RLIMIT_NOFILE, &one_more);
          Handle lock;
          CHILD_REQUIRE(lock.open(path) == result);
          lock.close();
          setrlimit(RLIMIT_NOFILE, &usual);
        }
        CHILD_REQUIRE(!watch.leaked_something());
        return result == 0 ? 0 : 2;
      });
      const int status = with_limit.wait();
      CHILD_REQUIRE(status == 0 || status == 2);
      refused = refused || status == 2;
      opened = opened || status == 0;
    }
    CHILD_REQUIRE(refused && opened);
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
}

// How much address space this process uses, in pages.
rlim_t pages_in_use() {
  std::ifstream statm("/proc/self/statm");
  rlim_t pages = 0;
  statm >> pages;
  return pages;
}

// From none to spare, page by page: all or nothing.
TEST_F(Resources, EveryAmountOfAddressSpaceGivesALockOrAnError) {
  warm_up();
  Child child([&] {
    const auto page = static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
    rlimit usual{};
    getrlimit(RLIMIT_AS, &usual);
    const std::string fresh = directory_ / "fresh";
    const std::string existing = directory_ / "first";
    const auto open_within = [&](const std::string& path, rlim_t spare) {
      Handle lock;
      const rlimit limit{(pages_in_use() + spare) * page, usual.rlim_max};
      setrlimit(RLIMIT_AS, &limit);
      const int result = lock.open(path);
      setrlimit(RLIMIT_AS, &usual);
      if (result != 0) return lock.get() == nullptr ? result : EINVAL;
      return shmutex_lock(lock) == 0 && shmutex_unlock(lock) == 0 ? 0 : EINVAL;
    };
    CHILD_REQUIRE(open_within(existing, 0) == ENOMEM && open_within(existing, 1000) == 0);
    footprint::Watch watch;
    bool refused = false;
    bool opened = false;
    for (rlim_t spare = 0; spare < 20; ++spare) {
      for (const std::string& path : {fresh, existing}) {
        const int result = open_within(path, spare);
        CHILD_REQUIRE(result == 0 || result == ENOMEM);
        refused = refused || result == ENOMEM;
        opened = opened || result == 0;
        if (opened) CHILD_REQUIRE(result == 0);
      }
      unlink(fresh.c_str());
    }
    CHILD_REQUIRE(refused && opened);
    CHILD_REQUIRE(!watch.leaked_something());
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
}

// The kernel would send SIGXFSZ as well, which nobody expects of an open.
TEST_F(Resources, EveryLimitOnFileSizesGivesALockOrEfbigAndNoSignal) {
  warm_up();
  const std::string stale = directory_ / "stale";
  for (const rlim_t limit : {rlim_t{0}, rlim_t{1}, rlim_t{4095}, rlim_t{4096}, RLIM_INFINITY}) {
    Child child([&] {
      support::LockPage().of_another_boot().write(stale);
      const rlimit limits{limit, RLIM_INFINITY};
      CHILD_REQUIRE(setrlimit(RLIMIT_FSIZE, &limits) == 0);
      const int expected = limit < 4096 ? EFBIG : 0;
      CHILD_REQUIRE(Handle(path_).error() == expected);
      CHILD_REQUIRE((support::inode_of(path_) == 0) == (limit < 4096));
      CHILD_REQUIRE(Handle(stale).error() == expected);
      // What exists needs no write.
      const Handle existing(directory_ / "first");
      CHILD_REQUIRE(existing.error() == 0 && shmutex_lock(existing) == 0);
      return 0;
    });
    EXPECT_EQ(child.wait(), 0) << limit;
    unlink(path_.c_str());
  }
}

TEST_F(Resources, FirstUseWithoutMemoryIsAnErrorAndTheNextOneWorks) {
  Child child([&] {
    rlimit limit{};
    getrlimit(RLIMIT_AS, &limit);
    const rlimit none{4096, limit.rlim_max};
    shmutex_t* lock = nullptr;
    setrlimit(RLIMIT_AS, &none);
    const int result = shmutex_open(&lock, path_.c_str(), 0, 0);
    setrlimit(RLIMIT_AS, &limit);
    CHILD_REQUIRE(result == ENOMEM);
    const Handle works(path_);
    CHILD_REQUIRE(works.error() == 0 && shmutex_lock(works) == 0);
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
}

}  // namespace
