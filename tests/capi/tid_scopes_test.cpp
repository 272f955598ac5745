// Other boots and other PID namespaces: refused while their processes live, taken over in place when they are gone.
#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <deque>

#include "support/calls.h"
#include "support/lock_page.h"
#include "support/namespaces.h"
#include "support/other_boot.h"
#include "support/support.h"

namespace {

using support::Child;
using support::Flag;
using support::Handle;
using support::info_of;
using support::LockPage;
using support::OtherBoot;
using support::Shared;

struct Progress {
  Flag ready;
  Flag go;
  std::atomic<int> inside{0};
  std::atomic<int> overlaps{0};
  std::atomic<int> heard{0};  // acquisitions that returned EOWNERDEAD
  std::atomic<int> done{0};
};

class TidScopes : public testing::Test {
 protected:
  void SetUp() override { SKIP_WITHOUT_NAMESPACES(); }

  // A process with another boot id.
  OtherBoot other_boot() { return OtherBoot(directory_.path(), path_); }

  // A process in a PID namespace of its own, of which it is process 1. It opens the lock, locks it if asked, and stays.
  Child other_pid_namespace(bool lock_it) {
    Child child([=, this] {
      CHILD_REQUIRE(support::enter_pid_namespace_with_children());
      const pid_t first = support::fork_running([=, this] {
        CHILD_REQUIRE(getpid() == 1);
        const Handle lock(path_);
        CHILD_REQUIRE(lock.error() == 0);
        if (lock_it) {
          CHILD_REQUIRE(shmutex_lock(lock) == 0);
        }
        progress_->ready.raise();
        progress_->go.wait();
        _exit(0);
        return 0;
      });
      return support::wait_for(first);
    });
    progress_->ready.wait();
    return child;
  }

  // What a user does, many times over.
  int use_lock(shmutex_t* lock, int rounds) {
    for (int i = 0; i < rounds; ++i) {
      const int result = shmutex_lock(lock);
      if (result == EOWNERDEAD) {
        ++progress_->heard;
        CHILD_REQUIRE(shmutex_consistent(lock) == 0);
      } else {
        CHILD_REQUIRE(result == 0);
      }
      if (progress_->inside.fetch_add(1) != 0) ++progress_->overlaps;
      progress_->inside.fetch_sub(1);
      CHILD_REQUIRE(shmutex_unlock(lock) == 0);
    }
    return 0;
  }

  // Many processes open the stale file at once.
  void expect_one_lock_after_concurrent_takeover(LockPage page, int expected_news) {
    page.line.token = support::token_beyond_the_clock;
    for (int round = 0; round < 5; ++round) {
      page.write(path_);
      const uint64_t inode = support::inode_of(path_);
      new (&*progress_) Progress;
      std::deque<Child> users;
      for (int i = 0; i < 24; ++i) {
        users.emplace_back([&] {
          progress_->go.wait();
          const Handle lock(path_);
          CHILD_REQUIRE(lock.error() == 0);
          CHILD_REQUIRE(use_lock(lock, 20) == 0);
          ++progress_->done;
          // Nobody leaves before all have been there: else the file could not be told from an unused one.
          support::wait_until([&] { return progress_->done == 24; });
          return 0;
        });
      }
      progress_->go.raise();
      for (Child& user : users) EXPECT_EQ(user.wait(), 0);
      EXPECT_EQ(progress_->overlaps, 0);
      EXPECT_EQ(progress_->heard, expected_news);
      EXPECT_EQ(support::inode_of(path_), inode);
      const Handle lock(path_);
      EXPECT_EQ(shmutex_token(lock), page.line.token + 24u * 20u);
    }
  }

  support::TempDir directory_;
  const std::string path_ = directory_ / "lock";
  Shared<Progress> progress_;
};

TEST_F(TidScopes, OtherBootIsRefusedWhileItLivesAndTakenOverAfter) {
  OtherBoot other = other_boot();
  ASSERT_EQ(other.go_and_see(), 0);
  other.unlock();
  EXPECT_EQ(support::inspect(path_).same_boot, 0u);
  EXPECT_EQ(CALL(Handle(path_).error()), EXDEV);
  EXPECT_EQ(CALL(shmutex_unlink(path_.c_str(), 0)), EXDEV);
  EXPECT_EQ(support::inspect(path_).same_boot, 0u);
  other.kill();
  const Handle lock(path_);
  EXPECT_EQ(lock.error(), 0);
  EXPECT_EQ(info_of(lock).same_boot, 1u);
  EXPECT_EQ(shmutex_lock(lock), 0);
}

TEST_F(TidScopes, WhoWasInsideInAnotherBootIsNewsForTheNextOwner) {
  OtherBoot other = other_boot();
  ASSERT_EQ(other.go_and_see(), 0);
  other.kill();
  const uint64_t inode = support::inode_of(path_);
  const Handle lock(path_);
  ASSERT_EQ(lock.error(), 0);
  EXPECT_EQ(support::inode_of(path_), inode);
  EXPECT_EQ(shmutex_lock(lock), EOWNERDEAD);
  EXPECT_EQ(shmutex_consistent(lock), 0);
  EXPECT_EQ(shmutex_unlock(lock), 0);
  EXPECT_EQ(shmutex_lock(lock), 0);
}

TEST_F(TidScopes, OtherBootIsRefusedWhileOursIsOpen) {
  Handle lock(path_);
  ASSERT_EQ(lock.error(), 0);
  OtherBoot refused = other_boot();
  EXPECT_EQ(refused.go_and_see(), EXDEV);
  EXPECT_EQ(shmutex_lock(lock), 0);
  lock.close();
  OtherBoot admitted = other_boot();
  EXPECT_EQ(admitted.go_and_see(), 0);
}

TEST_F(TidScopes, OtherPidNamespaceIsRefusedWhileItLivesAndTakenOverAfter) {
  Child other = other_pid_namespace(true);
  EXPECT_EQ(support::inspect(path_).same_boot, 1u);
  EXPECT_EQ(support::inspect(path_).same_pid_namespace, 0u);
  EXPECT_EQ(support::inspect(path_).owner_tid, 0);
  EXPECT_EQ(CALL(Handle(path_).error()), EXDEV);
  EXPECT_EQ(CALL(shmutex_unlink(path_.c_str(), 0)), EXDEV);
  progress_->go.raise();
  EXPECT_EQ(other.wait(), 0);
  const Handle lock(path_);
  ASSERT_EQ(lock.error(), 0);
  EXPECT_EQ(shmutex_lock(lock), EOWNERDEAD);
}

TEST_F(TidScopes, LockOfAVanishedPidNamespaceThatNobodyHeldIsJustTaken) {
  Child other = other_pid_namespace(false);
  progress_->go.raise();
  EXPECT_EQ(other.wait(), 0);
  const Handle lock(path_);
  ASSERT_EQ(lock.error(), 0);
  EXPECT_EQ(shmutex_lock(lock), 0);
}

// A namespace's number is given to the next one at once. Its first process has TID 1, as the owner had that the kernel
// did not report: it must not be taken for that one.
TEST_F(TidScopes, NamespaceOfTheSameNumberIsAnotherOne) {
  Shared<std::atomic<uint64_t>> number;
  const auto in_new_namespace = [&](const std::function<int()>& body) {
    return Child([&] {
             CHILD_REQUIRE(support::enter_pid_namespace_with_children());
             return support::wait_for(support::fork_running([&] {
               struct stat status {};
               CHILD_REQUIRE(stat("/proc/thread-self/ns/pid", &status) == 0 || stat("/proc/self/ns/pid", &status) == 0);
               *number = status.st_ino;
               return body();
             }));
           })
        .wait();
  };
  // /proc is the outer namespace's there, and does not know a process by its number inside: another one is mounted.
  const auto with_proc = [](const std::function<int()>& body) {
    return [&body] {
      CHILD_REQUIRE(support::enter_mount_namespace() && mount("proc", "/proc", "proc", 0, nullptr) == 0);
      return body();
    };
  };
  ASSERT_EQ(in_new_namespace(with_proc([&] {
              const Handle lock(path_);
              CHILD_REQUIRE(lock.error() == 0 && shmutex_lock(lock) == 0 && shmutex_unlock(lock) == 0);
              return 0;
            })),
            0);
  const uint64_t before = *number;
  LockPage page(path_);
  page.line.word = 1;
  page.write(path_);
  bool same_number = false;
  for (int i = 0; i < 20 && !same_number; ++i) {
    page.write(path_);
    ASSERT_EQ(in_new_namespace(with_proc([&] {
                CHILD_REQUIRE(getpid() == 1);
                const Handle lock(path_);
                CHILD_REQUIRE(lock.error() == 0);
                CHILD_REQUIRE(shmutex_lock(lock) == EOWNERDEAD);
                return 0;
              })),
              0);
    same_number = *number == before;
  }
  EXPECT_TRUE(same_number) << "the kernel did not give the number again, so nothing was shown";
}

// Every process of a namespace must find the same, whatever it may read.
TEST_F(TidScopes, NamespaceIsTheSameForAllItsProcesses) {
  const Handle lock(path_, 0, 0666);
  ASSERT_EQ(chmod(directory_.path().c_str(), 0755), 0);
  Child hidden([&] {
    CHILD_REQUIRE(support::enter_mount_namespace());
    CHILD_REQUIRE(mount("proc", "/proc", "proc", 0, "hidepid=2") == 0);
    CHILD_REQUIRE(setgid(65534) == 0 && setuid(65534) == 0);
    const Handle its(path_, SHMUTEX_MUST_EXIST);
    CHILD_REQUIRE(its.error() == 0 && shmutex_lock(its) == 0 && shmutex_unlock(its) == 0);
    CHILD_REQUIRE(support::info_of(its).same_pid_namespace == 1);
    return 0;
  });
  EXPECT_EQ(hidden.wait(), 0);
  Child times([&] {
    if (unshare(CLONE_NEWTIME) != 0) return 0;  // before Linux 5.6 there are none
    support::write_content("/proc/self/timens_offsets", "boottime 100000 0\n");
    return support::wait_for(support::fork_running([&] {
      const Handle its(path_, SHMUTEX_MUST_EXIST);
      CHILD_REQUIRE(its.error() == 0 && support::info_of(its).same_pid_namespace == 1);
      return 0;
    }));
  });
  EXPECT_EQ(times.wait(), 0);
}

TEST_F(TidScopes, OursIsRefusedInAnotherPidNamespace) {
  Child holder([&] {
    const Handle lock(path_);
    CHILD_REQUIRE(shmutex_lock(lock) == 0);
    progress_->ready.raise();
    for (;;) support::sleep_ms(1000);
    return 0;
  });
  progress_->ready.wait();
  Child other([&] {
    CHILD_REQUIRE(support::enter_pid_namespace_with_children());
    return support::wait_for(support::fork_running([&] {
      CHILD_REQUIRE(Handle(path_).error() == EXDEV);
      CHILD_REQUIRE(Handle(path_, SHMUTEX_MUST_EXIST | SHMUTEX_ANY_ATTR).error() == EXDEV);
      return 0;
    }));
  });
  EXPECT_EQ(other.wait(), 0);
  const Handle lock(path_);
  ASSERT_EQ(lock.error(), 0);
  EXPECT_EQ(shmutex_trylock(lock), EBUSY);
}

TEST_F(TidScopes, ForkIntoAnotherPidNamespaceDisablesInheritedHandlesOnly) {
  alignas(SHMUTEX_ALIGN) unsigned char memory[SHMUTEX_SIZE];
  ASSERT_EQ(shmutex_init(memory, sizeof memory, 0), 0);
  Child child([&] {
    const Handle inherited(path_);
    Handle buffer;
    CHILD_REQUIRE(inherited.error() == 0);
    CHILD_REQUIRE(buffer.attach(memory, sizeof memory) == 0);
    CHILD_REQUIRE(support::enter_pid_namespace_with_children());
    const int status = support::wait_for(support::fork_running([&] {
      for (shmutex_t* const lock : {inherited.get(), buffer.get()}) {
        CHILD_REQUIRE(CALL(shmutex_lock(lock)) == EXDEV);
        CHILD_REQUIRE(CALL(shmutex_trylock(lock)) == EXDEV);
        CHILD_REQUIRE(CALL(shmutex_timedlock(lock, 0)) == EXDEV);
        CHILD_REQUIRE(CALL(shmutex_consistent(lock)) == EXDEV);
        CHILD_REQUIRE(CALL(shmutex_poison(lock)) == EXDEV);
        CHILD_REQUIRE(CALL(shmutex_is_owned(lock)) == 0);
        CHILD_REQUIRE(CALL(shmutex_unlock(lock)) != 0);
      }
      CHILD_REQUIRE(Handle(path_).error() == EXDEV);
      // What is opened after the fork works, for the child and its own children.
      const std::string fresh = directory_ / "fresh";
      const Handle lock(fresh);
      CHILD_REQUIRE(lock.error() == 0);
      for (int i = 0; i < 1000; ++i) CHILD_REQUIRE(shmutex_lock(lock) == 0 && shmutex_unlock(lock) == 0);
      CHILD_REQUIRE(support::wait_for(support::fork_running([&] {
                      CHILD_REQUIRE(shmutex_lock(inherited) == EXDEV);
                      CHILD_REQUIRE(shmutex_lock(lock) == 0);
                      return 0;
                    })) == 0);
      CHILD_REQUIRE(shmutex_lock(lock) == EOWNERDEAD);
      CHILD_REQUIRE(shmutex_consistent(lock) == 0 && shmutex_unlock(lock) == 0);
      CHILD_REQUIRE(shmutex_lock(inherited) == EXDEV);
      return testing::Test::HasFailure() ? 1 : 0;
    }));
    CHILD_REQUIRE(status == 0);
    CHILD_REQUIRE(shmutex_lock(inherited) == 0);  // the parent has not moved
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(TidScopes, ForkIntoAnotherPidNamespaceWhileHoldingLeavesTheParentTheOwner) {
  Child child([&] {
    const Handle lock(path_);
    CHILD_REQUIRE(shmutex_lock(lock) == 0);
    CHILD_REQUIRE(support::enter_pid_namespace_with_children());
    CHILD_REQUIRE(support::wait_for(support::fork_running([&] {
                    CHILD_REQUIRE(shmutex_is_owned(lock) == 0);
                    CHILD_REQUIRE(shmutex_unlock(lock) != 0);
                    return 0;
                  })) == 0);
    CHILD_REQUIRE(shmutex_is_owned(lock) == 1);
    CHILD_REQUIRE(shmutex_unlock(lock) == 0);
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(TidScopes, ConcurrentTakeoverOfAnUnusedStaleFileEndsOnOneLock) {
  expect_one_lock_after_concurrent_takeover(LockPage().of_another_boot(), 0);
}

TEST_F(TidScopes, ConcurrentTakeoverAfterADeathInsideTellsExactlyOne) {
  LockPage page;
  page.line.word = 12345;
  expect_one_lock_after_concurrent_takeover(page.of_another_boot(), 1);
  expect_one_lock_after_concurrent_takeover(LockPage(page).of_another_pid_namespace(), 1);
}

TEST_F(TidScopes, ConcurrentTakeoverWhileSomebodyLivesIsRefusedToAll) {
  OtherBoot other = other_boot();
  ASSERT_EQ(other.go_and_see(), 0);
  std::deque<Child> users;
  for (int i = 0; i < 24; ++i) users.emplace_back([&] { return Handle(path_).error(); });
  for (Child& user : users) EXPECT_EQ(user.wait(), EXDEV);
  EXPECT_EQ(support::inspect(path_).same_boot, 0u);
  EXPECT_EQ(support::inspect(path_).state, static_cast<uint32_t>(SHMUTEX_STATE_HELD));
  other.kill();
  users.clear();
  for (int i = 0; i < 24; ++i) {
    users.emplace_back([&] {
      const Handle lock(path_);
      CHILD_REQUIRE(lock.error() == 0);
      CHILD_REQUIRE(use_lock(lock, 20) == 0);
      ++progress_->done;
      support::wait_until([&] { return progress_->done == 24; });
      return 0;
    });
  }
  for (Child& user : users) EXPECT_EQ(user.wait(), 0);
  EXPECT_EQ(progress_->heard, 1);
  EXPECT_EQ(progress_->overlaps, 0);
}

// Two scopes want the file at once: one gets it, the other is refused, and never do both use it.
TEST_F(TidScopes, ScopesThatRaceForAFileNeverShareIt) {
  for (int round = 0; round < 5; ++round) {
    new (&*progress_) Progress;
    unlink(path_.c_str());
    std::deque<OtherBoot> others;
    std::deque<Child> ours;
    for (int i = 0; i < 4; ++i) {
      others.push_back(other_boot());
      ours.emplace_back([&] {
        progress_->go.wait();
        const Handle lock(path_);
        CHILD_REQUIRE(lock.error() == 0 || lock.error() == EXDEV);
        if (lock.error() == 0) ++progress_->inside;
        ++progress_->done;
        progress_->ready.wait();
        return 0;
      });
    }
    progress_->go.raise();
    for (OtherBoot& each : others) each.go();
    // Those that were admitted stay. The others queue for the lock, too: one that was admitted answers when it has
    // acquired.
    support::wait_until([&] { return progress_->done == 4; });
    if (progress_->inside != 0) {
      for (OtherBoot& each : others) EXPECT_EQ(each.result(), EXDEV);
    } else {
      EXPECT_EQ(support::inspect(path_).same_boot, 0u);
    }
    progress_->ready.raise();
    for (Child& child : ours) EXPECT_EQ(child.wait(), 0);
  }
}

}  // namespace
