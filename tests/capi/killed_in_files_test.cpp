// Killed at every system call of creating, taking over and removing a lock file: the next process finds all in order.
#include <errno.h>
#include <unistd.h>

#include "support/calls.h"
#include "support/killing.h"
#include "support/lock_page.h"
#include "support/sandbox.h"
#include "support/support.h"

namespace {

using support::Handle;
using support::LockPage;

class KilledInFiles : public testing::Test {
 protected:
  // Kills body() at each of its system calls; next() then sees what was left. The directory is empty before each.
  void at_each_system_call(const std::function<void()>& before, const std::function<void()>& prepare,
                           const std::function<void()>& body, const std::function<void()>& next) {
    int n = 1;
    for (bool killed = true; killed; ++n) {
      before();
      killed = support::killed_at_system_call(n, prepare, body);
      SCOPED_TRACE("killed at stop " + std::to_string(n));
      next();
      if (HasFailure()) return;
      shmutex_unlink(path_.c_str(), 0);
      ASSERT_TRUE(support::names_in(directory_.path()).empty());
    }
    EXPECT_GT(n, 20);
  }

  // Opened, acquired, released, and the only name in the directory.
  void expect_usable(bool may_be_told_of_a_death) {
    const Handle lock(path_);
    ASSERT_EQ(lock.error(), 0) << shmutex_error_detail();
    const int result = shmutex_lock(lock);
    EXPECT_TRUE(result == 0 || (result == EOWNERDEAD && may_be_told_of_a_death)) << result;
    EXPECT_EQ(shmutex_unlock(lock), 0);
    EXPECT_EQ(support::names_in(directory_.path()).size(), 1u);
  }

  void open_and_leave() {
    Handle lock(path_);
    if (lock.error() != 0) abort();
    lock.close();
  }

  support::TempDir directory_;
  const std::string path_ = directory_ / "lock";
};

TEST_F(KilledInFiles, Creator) {
  at_each_system_call([] {}, [] {}, [&] { open_and_leave(); },
                      [&] {
                        EXPECT_LE(support::names_in(directory_.path()).size(), 1u);
                        expect_usable(false);
                      });
}

TEST_F(KilledInFiles, CreatorByTemporaryName) {
  at_each_system_call([] {}, [] { support::forbid_unnamed_files(); }, [&] { open_and_leave(); },
                      [&] {
                        // The next creator clears a temporary name away; one that only opens leaves it there.
                        support::Child user([&] {
                          CHILD_REQUIRE(support::forbid_unnamed_files());
                          CHILD_REQUIRE(Handle(path_).error() == 0);
                          CHILD_REQUIRE(shmutex_unlink(path_.c_str(), 0) == 0);
                          const Handle lock(path_);
                          CHILD_REQUIRE(lock.error() == 0 && shmutex_lock(lock) == 0 && shmutex_unlock(lock) == 0);
                          return 0;
                        });
                        EXPECT_EQ(user.wait(), 0);
                        expect_usable(false);
                      });
}

TEST_F(KilledInFiles, TakerOverOfAFileThatSomebodyWasInside) {
  for (const uint32_t page_size : {LockPage().header.unit_size, 16384u}) {
    SCOPED_TRACE("made with a page size of " + std::to_string(page_size));
    LockPage page;
    page.line.word = 12345;
    page.line.token = support::token_beyond_the_clock;
    page.with_page_size(page_size).of_another_boot();
    at_each_system_call([&] { page.write(path_); }, [] {}, [&] { open_and_leave(); },
                        [&] {
                          const Handle lock(path_);
                          ASSERT_EQ(lock.error(), 0) << shmutex_error_detail();
                          EXPECT_EQ(shmutex_lock(lock), EOWNERDEAD);
                          EXPECT_EQ(shmutex_token(lock), support::token_beyond_the_clock + 1);
                        });
  }
}

TEST_F(KilledInFiles, Remover) {
  at_each_system_call([&] { ASSERT_EQ(Handle(path_).error(), 0); }, [] {},
                      [&] {
                        if (shmutex_unlink(path_.c_str(), 0) != 0) abort();
                      },
                      [&] { expect_usable(true); });
}

TEST_F(KilledInFiles, RemoverUnderTheEyesOfAUser) {
  Handle user;
  at_each_system_call([&] { ASSERT_EQ(user.open(path_), 0); }, [] {},
                      [&] {
                        if (shmutex_unlink(path_.c_str(), 0) != 0) abort();
                      },
                      [&] {
                        // Either it still is the lock under the name, or it is nobody's any more.
                        const uint64_t token = shmutex_token(user);
                        const int result = shmutex_lock(user);
                        const Handle other(path_);
                        ASSERT_EQ(other.error(), 0);
                        if (result == EIDRM) {
                          EXPECT_EQ(shmutex_lock(other), 0);
                          EXPECT_GT(shmutex_token(other), token);
                        } else {
                          EXPECT_TRUE(result == 0 || result == EOWNERDEAD) << result;
                          EXPECT_EQ(shmutex_is_owned(other), 1);
                        }
                        user.close();
                      });
}

}  // namespace
