// shmutex_info() of an open lock, and shmutex_inspect() of a file.
#include <errno.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "support/calls.h"
#include "support/kind.h"
#include "support/lock_page.h"
#include "support/support.h"

namespace {

using support::Handle;
using support::info_of;
using support::inspect;
using support::LockPage;

constexpr auto state_free = static_cast<uint32_t>(SHMUTEX_STATE_FREE);
constexpr auto state_held = static_cast<uint32_t>(SHMUTEX_STATE_HELD);
constexpr auto state_owner_died = static_cast<uint32_t>(SHMUTEX_STATE_OWNER_DIED);
constexpr auto state_poisoned = static_cast<uint32_t>(SHMUTEX_STATE_POISONED);
constexpr auto state_retired = static_cast<uint32_t>(SHMUTEX_STATE_RETIRED);

class Info : public testing::Test {
 protected:
  support::TempDir directory_;
  const std::string path_ = directory_ / "lock";
};

TEST_F(Info, OfAFreshLock) {
  const Handle lock(path_, SHMUTEX_FAIR | SHMUTEX_RECURSIVE);
  const shmutex_info_t info = info_of(lock);
  EXPECT_EQ(info.size, sizeof info);
  EXPECT_EQ(info.state, state_free);
  EXPECT_EQ(info.attributes, static_cast<uint32_t>(SHMUTEX_FAIR | SHMUTEX_RECURSIVE));
  EXPECT_EQ(info.waiters, 0u);
  EXPECT_EQ(info.owner_tid, 0);
  EXPECT_EQ(info.owner_pid, 0);
  EXPECT_EQ(info.depth, 0u);
  EXPECT_EQ(info.last_dead_tid, 0);
  EXPECT_EQ(info.token, shmutex_token(lock));
  EXPECT_EQ(info.contended, 0u);
  EXPECT_EQ(info.recoveries, 0u);
  EXPECT_EQ(info.same_boot, 1u);
  EXPECT_EQ(info.same_pid_namespace, 1u);
  EXPECT_EQ(info.links, 1u);
  EXPECT_EQ(info.kind, static_cast<uint32_t>(SHMUTEX_KIND_MUTEX));
  EXPECT_EQ(info.reserved, 0u);
  EXPECT_EQ(info.owner_since, 0u);
}

TEST_F(Info, SeesEveryStateInside) {
  const Handle lock(path_);
  ASSERT_EQ(shmutex_lock(lock), 0);
  EXPECT_EQ(info_of(lock).state, state_held);
  EXPECT_EQ(info_of(lock).owner_tid, gettid());
  EXPECT_EQ(info_of(lock).owner_pid, getpid());
  EXPECT_EQ(info_of(lock).depth, 1u);
  ASSERT_EQ(shmutex_unlock(lock), 0);
  support::Child owner([&] { return shmutex_lock(lock); });
  EXPECT_EQ(owner.wait(), 0);
  EXPECT_EQ(info_of(lock).state, state_owner_died);
  EXPECT_EQ(info_of(lock).owner_tid, 0);
  ASSERT_EQ(shmutex_lock(lock), EOWNERDEAD);
  EXPECT_EQ(info_of(lock).state, state_held);
  ASSERT_EQ(shmutex_poison(lock), 0);
  EXPECT_EQ(info_of(lock).state, state_poisoned);
  EXPECT_EQ(info_of(lock).owner_tid, gettid());
  ASSERT_EQ(shmutex_unlock(lock), 0);
  EXPECT_EQ(info_of(lock).state, state_poisoned);
  ASSERT_EQ(shmutex_unlink(path_.c_str(), 0), 0);
  EXPECT_EQ(info_of(lock).state, state_retired);
  EXPECT_EQ(info_of(lock).links, 0u);
}

TEST_F(Info, NamesTheDeadOwnerBeforeTheNextOne) {
  for (const unsigned attributes : support::all_attributes) {
    const std::string path = path_ + std::to_string(attributes);
    const Handle lock(path, attributes);
    for (int death = 0; death < 2; ++death) {
      support::Child owner([&] { return shmutex_lock(lock); });
      const pid_t dead = owner.pid();
      EXPECT_EQ(owner.wait(), 0);
      EXPECT_EQ(info_of(lock).last_dead_tid, dead) << support::name_of_attributes(attributes);
      EXPECT_EQ(inspect(path).last_dead_tid, dead) << support::name_of_attributes(attributes);
      // An owner that gives the news on did not die itself.
      ASSERT_EQ(shmutex_lock(lock), EOWNERDEAD);
      ASSERT_EQ(shmutex_unlock(lock), 0);
      EXPECT_EQ(info_of(lock).last_dead_tid, dead) << support::name_of_attributes(attributes);
      ASSERT_EQ(shmutex_lock(lock), EOWNERDEAD);
      ASSERT_EQ(shmutex_consistent(lock), 0);
      ASSERT_EQ(shmutex_unlock(lock), 0);
      EXPECT_EQ(inspect(path).last_dead_tid, dead) << support::name_of_attributes(attributes);
    }
  }
}

TEST_F(Info, CountsWaitsAndRecoveries) {
  const Handle lock(path_);
  ASSERT_EQ(shmutex_lock(lock), 0);
  support::Child waiter([&] { return shmutex_lock(lock) == 0 && shmutex_unlock(lock) == 0 ? 0 : 1; });
  support::wait_until([&] { return info_of(lock).waiters == 1 && waiter.is_asleep(); });
  ASSERT_EQ(shmutex_unlock(lock), 0);
  EXPECT_EQ(waiter.wait(), 0);
  EXPECT_EQ(info_of(lock).contended, 1u);
  EXPECT_EQ(info_of(lock).waiters, 0u);
}

uint64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

TEST_F(Info, CountsSleepingWaitersAndNotTheKilled) {
  const Handle lock(path_);
  ASSERT_EQ(shmutex_lock(lock), 0);
  std::vector<std::unique_ptr<support::Child>> waiters;
  for (uint32_t i = 1; i <= 4; ++i) {
    waiters.push_back(
        std::make_unique<support::Child>([&] { return shmutex_lock(lock) == 0 && shmutex_unlock(lock) == 0 ? 0 : 1; }));
    support::wait_until([&] { return info_of(lock).waiters == i; });
  }
  EXPECT_EQ(inspect(path_).waiters, 1u);
  waiters.pop_back();  // killed
  support::wait_until([&] { return info_of(lock).waiters == 3; });
  ASSERT_EQ(shmutex_unlock(lock), 0);
  for (const auto& waiter : waiters) EXPECT_EQ(waiter->wait(), 0);
  EXPECT_EQ(info_of(lock).waiters, 0u);
}

TEST_F(Info, FairLockSaysThatThereAreWaiters) {
  const Handle lock(path_, SHMUTEX_FAIR);
  ASSERT_EQ(shmutex_lock(lock), 0);
  support::Child waiter([&] { return shmutex_lock(lock) == 0 && shmutex_unlock(lock) == 0 ? 0 : 1; });
  support::wait_until([&] { return info_of(lock).waiters == 1; });
  ASSERT_EQ(shmutex_unlock(lock), 0);
  EXPECT_EQ(waiter.wait(), 0);
}

// Of that hold, and of no later one.
TEST_F(Info, OwnerSinceIsNotedByAWaiter) {
  for (const unsigned attributes : {0u, static_cast<unsigned>(SHMUTEX_FAIR)}) {
    const std::string path = path_ + std::to_string(attributes);
    const Handle lock(path, attributes);
    ASSERT_EQ(shmutex_lock(lock), 0);
    EXPECT_EQ(info_of(lock).owner_since, 0u);
    const uint64_t before = monotonic_ns();
    support::Child waiter([&] { return shmutex_lock(lock) == 0 && shmutex_unlock(lock) == 0 ? 0 : 1; });
    support::wait_until([&] { return info_of(lock).owner_since != 0; });
    const uint64_t since = info_of(lock).owner_since;
    EXPECT_GE(since, before);
    EXPECT_LE(since, monotonic_ns());
    EXPECT_EQ(inspect(path).owner_since, since);
    ASSERT_EQ(shmutex_unlock(lock), 0);
    EXPECT_EQ(waiter.wait(), 0);
    EXPECT_EQ(info_of(lock).owner_since, 0u);
    ASSERT_EQ(shmutex_lock(lock), 0);
    EXPECT_EQ(info_of(lock).owner_since, 0u);
  }
}

TEST_F(Info, ForgedTimesOfTheFutureAreNotBelieved) {
  const Handle lock(path_);
  ASSERT_EQ(shmutex_lock(lock), 0);
  LockPage page(path_);
  page.header.advice.waiting_token = shmutex_token(lock);
  page.header.advice.waiting_since = UINT64_MAX;
  page.write(path_);
  EXPECT_EQ(info_of(lock).owner_since, 0u);
}

TEST_F(Info, LinksAreNoneAfterPlainRm) {
  const Handle lock(path_);
  EXPECT_EQ(info_of(lock).links, 1u);
  ASSERT_EQ(unlink(path_.c_str()), 0);
  EXPECT_EQ(info_of(lock).links, 0u);
  // Another lock is under the name now.
  support::Child other([&] { return Handle(path_).error(); });
  EXPECT_EQ(other.wait(), 0);
  EXPECT_EQ(info_of(lock).links, 0u);
}

TEST_F(Info, LinksCountHardLinks) {
  const Handle lock(path_);
  ASSERT_EQ(link(path_.c_str(), (directory_ / "other").c_str()), 0);
  EXPECT_EQ(info_of(lock).links, 2u);
  EXPECT_EQ(inspect(directory_ / "other").links, 2u);
}

TEST_F(Info, LinksOfALongPathAreSeen) {
  std::string path = directory_.path();
  while (path.size() < 2000) {
    path += "/" + std::string(200, 'd');
    ASSERT_EQ(mkdir(path.c_str(), 0700), 0);
  }
  const Handle lock(path + "/lock");
  ASSERT_EQ(lock.error(), 0);
  EXPECT_EQ(info_of(lock).links, 1u);
}

TEST_F(Info, LinksOfARelativePathAreSeenFromAnotherDirectory) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(directory_.path());
  const Handle lock("lock");
  std::filesystem::current_path(before);
  ASSERT_EQ(lock.error(), 0);
  EXPECT_EQ(info_of(lock).links, 1u);
}

TEST_F(Info, OfABuffer) {
  alignas(SHMUTEX_ALIGN) unsigned char memory[SHMUTEX_SIZE];
  ASSERT_EQ(shmutex_init(memory, sizeof memory, SHMUTEX_RECURSIVE), 0);
  Handle lock;
  ASSERT_EQ(lock.attach(memory, sizeof memory, SHMUTEX_RECURSIVE), 0);
  ASSERT_EQ(shmutex_lock(lock), 0);
  const shmutex_info_t info = info_of(lock);
  EXPECT_EQ(info.state, state_held);
  EXPECT_EQ(info.attributes, static_cast<uint32_t>(SHMUTEX_RECURSIVE));
  EXPECT_EQ(info.owner_tid, gettid());
  EXPECT_EQ(info.same_boot, 1u);
  EXPECT_EQ(info.same_pid_namespace, 1u);
  EXPECT_EQ(info.links, 1u);
}

TEST_F(Info, InspectNeitherOpensNorCreatesNorWrites) {
  shmutex_info_t info{};
  info.size = sizeof info;
  EXPECT_EQ(CALL(shmutex_inspect(path_.c_str(), &info)), ENOENT);
  EXPECT_TRUE(support::names_in(directory_.path()).empty());
  LockPage().of_another_boot().write(path_);
  const std::string before = support::content_of(path_);
  ASSERT_EQ(chmod(path_.c_str(), 0400), 0);
  EXPECT_EQ(inspect(path_).state, state_free);
  EXPECT_EQ(support::content_of(path_), before);
}

TEST_F(Info, InspectOfAHeldLock) {
  const Handle lock(path_);
  ASSERT_EQ(shmutex_lock(lock), 0);
  const shmutex_info_t info = inspect(path_);
  EXPECT_EQ(info.state, state_held);
  EXPECT_EQ(info.owner_tid, gettid());
  EXPECT_EQ(info.owner_pid, getpid());
  EXPECT_EQ(info.token, shmutex_token(lock));
  EXPECT_EQ(info.same_boot, 1u);
  EXPECT_EQ(info.links, 1u);
}

TEST_F(Info, InspectOfAnotherBootNamesNoOwner) {
  LockPage page;
  page.line.word = static_cast<uint32_t>(gettid());
  page.line.depth = 2;
  page.line.token = 77;
  page.of_another_boot().write(path_);
  const shmutex_info_t info = inspect(path_);
  EXPECT_EQ(info.state, state_held);
  EXPECT_EQ(info.owner_tid, 0);
  EXPECT_EQ(info.owner_pid, 0);
  EXPECT_EQ(info.depth, 3u);
  EXPECT_EQ(info.token, 77u);
  EXPECT_EQ(info.same_boot, 0u);
  EXPECT_EQ(info.same_pid_namespace, 0u);
}

TEST_F(Info, InspectOfAnotherPidNamespace) {
  LockPage().of_another_pid_namespace().write(path_);
  EXPECT_EQ(inspect(path_).same_boot, 1u);
  EXPECT_EQ(inspect(path_).same_pid_namespace, 0u);
}

TEST_F(Info, InspectOfAnotherPageSize) {
  LockPage page;
  page.line.token = 78;
  page.with_page_size(65536).write(path_);
  EXPECT_EQ(inspect(path_).token, 78u);
}

TEST_F(Info, InspectRefusesWhatIsNoLock) {
  shmutex_info_t info{};
  info.size = sizeof info;
  support::write_content(path_, std::string(4096, 'x'));
  EXPECT_EQ(CALL(shmutex_inspect(path_.c_str(), &info)), EBADMSG);
  support::write_content(path_, "");
  EXPECT_EQ(CALL(shmutex_inspect(path_.c_str(), &info)), EBADMSG);
  EXPECT_EQ(CALL(shmutex_inspect(directory_.path().c_str(), &info)), EINVAL);
  ASSERT_EQ(symlink(path_.c_str(), (directory_ / "link").c_str()), 0);
  EXPECT_EQ(CALL(shmutex_inspect((directory_ / "link").c_str(), &info)), ELOOP);
  LockPage page;
  page.header.version = 2;
  page.write(path_);
  EXPECT_EQ(CALL(shmutex_inspect(path_.c_str(), &info)), EPROTONOSUPPORT);
}

TEST_F(Info, InspectDoesNotHangOnAFifo) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  shmutex_info_t info{};
  info.size = sizeof info;
  EXPECT_EQ(CALL(shmutex_inspect(path_.c_str(), &info)), EINVAL);
}

}  // namespace
