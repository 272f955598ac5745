// Closing a handle while another thread is inside a call on the lock's path, which needs the lock mapped and has no handle.
#include <errno.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>

#include "support/calls.h"
#include "support/kind.h"
#include "support/support.h"
#include "support/test_lock.h"

namespace {

constexpr int rounds = 1000;

int mappings_of(const std::string& path) {
  std::ifstream maps("/proc/self/maps");
  int found = 0;
  for (std::string line; std::getline(maps, line);) found += line.find(path) != std::string::npos ? 1 : 0;
  return found;
}

class CloseAmidLooks : public testing::TestWithParam<unsigned> {
 protected:
  // Every last handle of a held lock is refused, and no other.
  template <class Look>
  void expect_that_close_is_not_misled(const Look& look) {
    std::atomic<bool> done{false};
    std::thread looker([&] {
      while (!done.load()) look();
    });
    for (int held = 0; held < rounds && !HasFailure();) {
      shmutex_t* handle = nullptr;
      EXPECT_EQ(shmutex_open(&handle, path_.c_str(), GetParam(), 0600), 0) << shmutex_error_detail();
      const int locked = shmutex_lock(handle);
      if (locked == 0) {
        ++held;
        const int refused = shmutex_close(handle);
        EXPECT_EQ(refused, EBUSY);
        if (refused == 0) break;
        EXPECT_EQ(shmutex_unlock(handle), 0);
      } else {
        EXPECT_EQ(locked, EIDRM);
      }
      EXPECT_EQ(shmutex_close(handle), 0) << shmutex_error_detail();
    }
    done.store(true);
    looker.join();
    EXPECT_EQ(mappings_of(path_), 0);
  }

  support::TempDir directory_;
  const std::string path_ = directory_ / "lock";
};

TEST_P(CloseAmidLooks, MustCreateThatMeetsAnExistingFile) {
  ASSERT_EQ(support::Handle(path_, GetParam()).error(), 0);
  expect_that_close_is_not_misled([&] {
    shmutex_t* none = nullptr;
    EXPECT_EQ(shmutex_open(&none, path_.c_str(), GetParam() | SHMUTEX_MUST_CREATE, 0600), EEXIST);
  });
}

TEST_P(CloseAmidLooks, UnlinkWhichHoldsTheLockForAMoment) {
  expect_that_close_is_not_misled([&] {
    const int result = shmutex_unlink(path_.c_str(), 0);
    EXPECT_TRUE(result == 0 || result == EBUSY || result == ENOENT) << shmutex_error_detail();
  });
}

TEST_P(CloseAmidLooks, OpenWithOtherAttributes) {
  ASSERT_EQ(support::Handle(path_, GetParam()).error(), 0);
  expect_that_close_is_not_misled([&] {
    shmutex_t* none = nullptr;
    EXPECT_EQ(shmutex_open(&none, path_.c_str(), GetParam() ^ SHMUTEX_RECURSIVE, 0600), EPROTOTYPE);
  });
}

INSTANTIATE_TEST_SUITE_P(Kinds, CloseAmidLooks, testing::ValuesIn(support::all_attributes),
                         [](const auto& of) { return support::name_of_attributes(of.param); });

}  // namespace
