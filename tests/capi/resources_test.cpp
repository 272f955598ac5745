// Descriptors, mappings and memory: none leak, and running out of them is an error and no more.
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <deque>
#include <vector>

#include "kit/calls.h"
#include "support/support.h"

namespace {

using kit::Handle;
using support::Child;

class Resources : public testing::Test {
 protected:
  // Whatever the library keeps from its first use on.
  void warm_up() { EXPECT_EQ(Handle(directory_ / "first").error(), 0); }

  support::TempDir directory_;
  const std::string path_ = directory_ / "lock";
};

TEST_F(Resources, TenThousandOpensAndClosesLeakNothing) {
  warm_up();
  const size_t descriptors = kit::open_descriptors();
  const size_t mappings = kit::mappings();
  for (int i = 0; i < 10'000; ++i) {
    const Handle lock(path_);
    ASSERT_EQ(lock.error(), 0);
    if (i % 100 == 0) {
      ASSERT_EQ(shmutex_lock(lock), 0);
    }
  }
  EXPECT_EQ(kit::open_descriptors(), descriptors);
  EXPECT_EQ(kit::mappings(), mappings);
}

TEST_F(Resources, TenThousandCreationsAndRemovalsLeakNothing) {
  warm_up();
  const size_t descriptors = kit::open_descriptors();
  const size_t mappings = kit::mappings();
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_EQ(Handle(path_).error(), 0);
    ASSERT_EQ(shmutex_unlink(path_.c_str(), 0), 0);
  }
  EXPECT_EQ(kit::open_descriptors(), descriptors);
  EXPECT_EQ(kit::mappings(), mappings);
}

TEST_F(Resources, OpenLocksKeepNoDescriptors) {
  warm_up();
  const size_t descriptors = kit::open_descriptors();
  std::deque<Handle> locks;
  for (int i = 0; i < 1000; ++i) {
    locks.emplace_back(path_ + std::to_string(i));
    ASSERT_EQ(locks.back().error(), 0);
  }
  EXPECT_EQ(kit::open_descriptors(), descriptors);
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
  kit::write_content(directory_ / "foreign", "no lock");
  { const Handle fair(directory_ / "fair", SHMUTEX_FAIR); }
  const size_t descriptors = kit::open_descriptors();
  const size_t mappings = kit::mappings();
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(Handle(directory_ / "foreign").error(), EBADMSG);
    ASSERT_EQ(Handle(directory_ / "fair").error(), EPROTOTYPE);
    ASSERT_EQ(Handle(directory_ / "fair", SHMUTEX_MUST_CREATE).error(), EEXIST);
    ASSERT_EQ(Handle(directory_ / "missing", SHMUTEX_MUST_EXIST).error(), ENOENT);
    ASSERT_EQ(shmutex_unlink((directory_ / "foreign").c_str(), 0), EBADMSG);
  }
  EXPECT_EQ(kit::open_descriptors(), descriptors);
  EXPECT_EQ(kit::mappings(), mappings);
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
        const rlimit limit{used + spare, used + spare};
        CHILD_REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        Handle lock;
        const int result = lock.open(path_ + std::to_string(spare));
        CHILD_REQUIRE(result == 0 || result == EMFILE);
        if (result == 0) {
          CHILD_REQUIRE(shmutex_lock(lock) == 0 && shmutex_unlock(lock) == 0);
        }
        lock.close();
        CHILD_REQUIRE(static_cast<rlim_t>(dup(0)) == used || spare == 0);
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

TEST_F(Resources, EveryAmountOfAddressSpaceGivesALockOrAnError) {
  warm_up();
  const size_t mappings = kit::mappings();
  const size_t descriptors = kit::open_descriptors();
  static_cast<void>(mappings);
  Child child([&] {
    rlimit limit{};
    getrlimit(RLIMIT_AS, &limit);
    const rlimit none{4096, limit.rlim_max};
    // Everything that these calls need from the heap is there already.
    shmutex_t* lock = nullptr;
    const std::string fresh = directory_ / "fresh";
    CHILD_REQUIRE(shmutex_lock(nullptr) == EINVAL);
    for (int i = 0; i < 100; ++i) {
      setrlimit(RLIMIT_AS, &none);
      const int result = shmutex_open(&lock, fresh.c_str(), 0, 0);
      setrlimit(RLIMIT_AS, &limit);
      CHILD_REQUIRE(result == ENOMEM && lock == nullptr);
    }
    CHILD_REQUIRE(kit::open_descriptors() == descriptors);
    CHILD_REQUIRE(Handle(fresh).error() == 0);
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
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
