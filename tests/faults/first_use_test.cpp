// A process's first use of the library, where something that it needs is missing: an error, nothing left behind, and
// the next use works when that is there again. This process itself never uses the library, so that its children are new
// to it.
#include <errno.h>
#include <gtest/gtest.h>
#include <shmutex/shmutex.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <string>

#include "hostile/footprint.h"
#include "support/namespaces.h"
#include "support/support.h"

namespace {

using support::Child;

#define REQUIRE(condition)                                                                                  \
  do {                                                                                                      \
    if (!(condition)) {                                                                                     \
      fprintf(stderr, "%d: %s is false; last failure: %s\n", __LINE__, #condition, shmutex_error_detail()); \
      return 1;                                                                                             \
    }                                                                                                       \
  } while (false)

int open_once(const std::string& path) {
  shmutex_t* m = nullptr;
  const int result = shmutex_open(&m, path.c_str(), 0, 0);
  if (result != 0) return m == nullptr ? result : EINVAL;
  return shmutex_lock(m) == 0 && shmutex_unlock(m) == 0 && shmutex_close(m) == 0 ? 0 : EINVAL;
}

// From the first failure on, nothing more is taken; a page may stay that the first use needs in any case.
int fails_with(int error, const std::string& path) {
  footprint::Watch from_the_start;
  REQUIRE(open_once(path) == error);
  REQUIRE(*shmutex_error_detail() != '\0');
  REQUIRE(!from_the_start.grown_by_more_than(1, static_cast<size_t>(sysconf(_SC_PAGESIZE))));
  footprint::Watch watch;
  for (int i = 0; i < 100; ++i) REQUIRE(open_once(path) == error);
  REQUIRE(!watch.leaked_something());
  return access(path.c_str(), F_OK) == 0 ? 1 : 0;
}

rlim_t pages_in_use() {
  std::ifstream statm("/proc/self/statm");
  rlim_t pages = 0;
  statm >> pages;
  return pages;
}

TEST(FirstUse, WithoutProcIsAnErrorAndLeaksNothing) {
  SKIP_WITHOUT_NAMESPACES();
  const support::TempDir dir;
  Child child([&] {
    footprint::Watch watch;  // measures through the /proc that was
    REQUIRE(support::enter_mount_namespace() && support::mount_new("tmpfs", "/proc"));
    for (int i = 0; i < 100; ++i) REQUIRE(open_once(dir / "lock") == ENOSYS);
    REQUIRE(!watch.grown_by_more_than(1, static_cast<size_t>(sysconf(_SC_PAGESIZE))));
    REQUIRE(umount("/proc") == 0);
    return open_once(dir / "lock");
  });
  EXPECT_EQ(0, child.wait());
}

TEST(FirstUse, WithoutBootIdIsAnErrorAndLeaksNothing) {
  SKIP_WITHOUT_NAMESPACES();
  const support::TempDir dir;
  Child child([&] {
    const char* const boot_id = "/proc/sys/kernel/random/boot_id";
    REQUIRE(support::enter_mount_namespace() && support::mount_over("/dev/null", boot_id));
    if (fails_with(ENOSYS, dir / "lock") != 0) return 1;
    REQUIRE(umount(boot_id) == 0);
    return open_once(dir / "lock");
  });
  EXPECT_EQ(0, child.wait());
}

TEST(FirstUse, WithoutDescriptorsIsAnErrorAndLeaksNothing) {
  const support::TempDir dir;
  Child child([&] {
    rlimit usual{};
    getrlimit(RLIMIT_NOFILE, &usual);
    const rlimit none{0, usual.rlim_max};
    footprint::Watch watch;
    setrlimit(RLIMIT_NOFILE, &none);
    for (int i = 0; i < 100; ++i) REQUIRE(open_once(dir / "lock") == EMFILE);
    setrlimit(RLIMIT_NOFILE, &usual);
    REQUIRE(!watch.grown_by_more_than(1, static_cast<size_t>(sysconf(_SC_PAGESIZE))));
    return open_once(dir / "lock");
  });
  EXPECT_EQ(0, child.wait());
}

// With every amount of address space that is too little, and the first that is not.
TEST(FirstUse, WithLittleAddressSpaceIsAnErrorOrALock) {
  const support::TempDir dir;
  const auto page = static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
  bool refused = false;
  bool opened = false;
  for (rlim_t spare = 0; spare < 400 && !opened; ++spare) {
    Child child([&] {
      rlimit usual{};
      getrlimit(RLIMIT_AS, &usual);
      const rlimit limit{(pages_in_use() + spare) * page, usual.rlim_max};
      footprint::Watch watch;
      shmutex_t* m = nullptr;
      setrlimit(RLIMIT_AS, &limit);
      const int result = shmutex_open(&m, (dir / "lock").c_str(), 0, 0);
      setrlimit(RLIMIT_AS, &usual);
      REQUIRE(result == 0 || (result == ENOMEM && m == nullptr));
      REQUIRE(m == nullptr || shmutex_close(m) == 0);
      REQUIRE(!watch.grown_by_more_than(1, page));
      REQUIRE(open_once(dir / "lock") == 0);
      return result == 0 ? 0 : 2;
    });
    const int status = child.wait();
    EXPECT_TRUE(status == 0 || status == 2);
    refused = refused || status == 2;
    opened = opened || status == 0;
    unlink((dir / "lock").c_str());
  }
  EXPECT_TRUE(refused) << "with no page to spare";
  EXPECT_TRUE(opened) << "with 400";
}

}  // namespace
