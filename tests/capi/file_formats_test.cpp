// Lock files of other builds and machines, stale ones, and ones whose reset was interrupted.
#include <errno.h>
#include <unistd.h>

#include "support/calls.h"
#include "support/lock_page.h"
#include "support/support.h"

namespace {

using support::Handle;
using support::info_of;
using support::LockPage;

class FileFormats : public testing::Test {
 protected:
  void expect_other_format(const LockPage& page) {
    page.write(path_);
    const std::string before = support::content_of(path_);
    EXPECT_EQ(CALL(Handle(path_).error()), EPROTONOSUPPORT);
    EXPECT_EQ(CALL(Handle(path_, SHMUTEX_MUST_EXIST | SHMUTEX_ANY_ATTR).error()), EPROTONOSUPPORT);
    EXPECT_EQ(CALL(shmutex_unlink(path_.c_str(), 0)), EPROTONOSUPPORT);
    EXPECT_EQ(support::content_of(path_), before);
  }

  // Opens a stale file, which keeps its inode, and says what the first acquisition finds.
  int first_lock_after_takeover(const LockPage& page, unsigned attributes = 0) {
    page.write(path_);
    const uint64_t inode = support::inode_of(path_);
    const Handle lock(path_, attributes);
    EXPECT_EQ(lock.error(), 0) << shmutex_error_detail();
    EXPECT_EQ(support::inode_of(path_), inode);
    EXPECT_EQ(support::content_of(path_).size(), static_cast<size_t>(sysconf(_SC_PAGESIZE)));
    EXPECT_EQ(info_of(lock).same_boot, 1u);
    EXPECT_EQ(info_of(lock).same_pid_namespace, 1u);
    const int result = shmutex_lock(lock);
    if (result == EOWNERDEAD) {
      EXPECT_EQ(shmutex_consistent(lock), 0);
    }
    EXPECT_EQ(shmutex_unlock(lock), 0);
    EXPECT_EQ(shmutex_lock(lock), 0);
    return result;
  }

  support::TempDir directory_;
  const std::string path_ = directory_ / "lock";
};

TEST_F(FileFormats, ForgedPageIsLikeARealOne) {
  LockPage().write(path_);
  const Handle lock(path_);
  EXPECT_EQ(lock.error(), 0);
  EXPECT_EQ(shmutex_lock(lock), 0);
}

TEST_F(FileFormats, OtherVersion) {
  for (const uint32_t version : {0u, 2u, 99u, UINT32_MAX}) {
    LockPage page;
    page.header.version = version;
    expect_other_format(page);
  }
}

TEST_F(FileFormats, OtherPageSize) {
  for (const uint32_t size : {8192u, 16384u, 65536u}) {
    LockPage page;
    expect_other_format(page.with_page_size(size));
  }
}

TEST_F(FileFormats, OtherWordOffset) {
  LockPage page;
  page.header.word_offset -= 64;
  expect_other_format(page.seal());
}

// Nodes are private to each process: a file serves programs of both C libraries.
TEST_F(FileFormats, OtherLibcsNodeOffsetIsUsable) {
  LockPage page;
  page.header.futex_offset = -28;
  page.seal().write(path_);
  const Handle lock(path_);
  ASSERT_EQ(lock.error(), 0);
  EXPECT_EQ(shmutex_lock(lock), 0);
}

TEST_F(FileFormats, OtherByteOrder) {
  LockPage page;
  page.header.magic = __builtin_bswap64(page.header.magic);
  expect_other_format(page);
}

TEST_F(FileFormats, StaleFileThatNobodyWasInside) {
  EXPECT_EQ(first_lock_after_takeover(LockPage().of_another_boot()), 0);
  EXPECT_EQ(first_lock_after_takeover(LockPage().of_another_pid_namespace()), 0);
}

TEST_F(FileFormats, StaleFileThatSomebodyWasInside) {
  LockPage page;
  page.line.word = static_cast<uint32_t>(gettid());  // a TID means nothing there, not even if it is ours
  EXPECT_EQ(first_lock_after_takeover(page.of_another_boot()), EOWNERDEAD);
  EXPECT_EQ(first_lock_after_takeover(LockPage(page)), EOWNERDEAD);
  page.line.word = shmutex::word::owner_died;
  EXPECT_EQ(first_lock_after_takeover(page), EOWNERDEAD);
  page.line.word = shmutex::word::waiters | 12345;
  EXPECT_EQ(first_lock_after_takeover(page), EOWNERDEAD);
  page.line.word = shmutex::word::waiters;
  EXPECT_EQ(first_lock_after_takeover(page), 0);
}

TEST_F(FileFormats, StaleFairFileThatSomebodyWasInside) {
  LockPage page;
  page.header.attributes = SHMUTEX_FAIR;
  page.line.state = shmutex::state::inconsistent;
  EXPECT_EQ(first_lock_after_takeover(page.of_another_boot(), SHMUTEX_FAIR), EOWNERDEAD);
  page.line.state = 0;
  page.line.word = 12345;
  EXPECT_EQ(first_lock_after_takeover(page, SHMUTEX_FAIR), EOWNERDEAD);
}

TEST_F(FileFormats, StaleBatonAndYieldRequestAreForgotten) {
  LockPage page;
  page.line.baton = 0x80000000u | 12345;
  page.line.yield_until = UINT64_MAX;
  page.line.depth = 17;
  page.line.last_owner = UINT64_MAX;
  page.of_another_boot().write(path_);
  const Handle lock(path_);
  ASSERT_EQ(lock.error(), 0);
  EXPECT_EQ(info_of(lock).waiters, 0u);
  ASSERT_EQ(shmutex_lock(lock), 0);
  EXPECT_EQ(info_of(lock).depth, 1u);
  support::Child waiter([&] { return shmutex_lock(lock) == 0 && shmutex_unlock(lock) == 0 ? 0 : 1; });
  waiter.wait_until_asleep();
  EXPECT_EQ(shmutex_unlock(lock), 0);
  EXPECT_EQ(waiter.wait(), 0);
}

TEST_F(FileFormats, StaleFileKeepsAttributesTokenAndStatistics) {
  LockPage page;
  page.header.attributes = SHMUTEX_RECURSIVE;
  page.line.token = support::token_beyond_the_clock;
  page.line.contended = 5;
  page.line.recoveries = 6;
  page.line.last_dead_tid = 7;
  page.of_another_boot().write(path_);
  EXPECT_EQ(CALL(Handle(path_).error()), EPROTOTYPE);
  const Handle lock(path_, SHMUTEX_RECURSIVE);
  ASSERT_EQ(lock.error(), 0);
  EXPECT_EQ(shmutex_lock(lock), 0);
  const shmutex_info_t info = info_of(lock);
  EXPECT_EQ(info.token, support::token_beyond_the_clock + 1);
  EXPECT_EQ(info.contended, 5u);
  EXPECT_EQ(info.recoveries, 6u);
  EXPECT_EQ(info.last_dead_tid, 7);
}

TEST_F(FileFormats, StalePoisonedLockStaysPoisoned) {
  LockPage page;
  page.line.state = shmutex::state::poisoned;
  page.of_another_boot().write(path_);
  const Handle lock(path_);
  ASSERT_EQ(lock.error(), 0);
  EXPECT_EQ(shmutex_lock(lock), ENOTRECOVERABLE);
  EXPECT_EQ(shmutex_unlink(path_.c_str(), 0), 0);
}

TEST_F(FileFormats, StaleRetiredLockIsReplaced) {
  LockPage page;
  page.line.state = shmutex::state::retired;
  page.of_another_boot().write(path_);
  const uint64_t retired = support::inode_of(path_);
  const Handle lock(path_);
  ASSERT_EQ(lock.error(), 0);
  EXPECT_NE(support::inode_of(path_), retired);
  EXPECT_EQ(shmutex_lock(lock), 0);
}

TEST_F(FileFormats, StaleFileOfAnotherVersionIsReset) {
  LockPage page;
  page.header.version = 2;
  page.of_another_boot();
  page.header.checksum = 0xbad;  // whatever that version computes
  EXPECT_EQ(first_lock_after_takeover(page), 0);
}

TEST_F(FileFormats, StaleFileOfAnotherPageSizeIsReset) {
  for (const uint32_t size : {8192u, 16384u, 65536u}) {
    LockPage page;
    page.with_page_size(size).of_another_boot();
    EXPECT_EQ(first_lock_after_takeover(page), 0);
    page.line.word = 12345;
    EXPECT_EQ(first_lock_after_takeover(page), EOWNERDEAD);
  }
}

TEST_F(FileFormats, StaleFileOfAnotherLibcOrWordOffsetIsReset) {
  LockPage page;
  page.header.futex_offset = -28;
  page.header.word_offset -= 64;
  EXPECT_EQ(first_lock_after_takeover(page.of_another_boot()), 0);
}

TEST_F(FileFormats, InterruptedResetIsFinished) {
  for (const bool header_written : {false, true}) {
    LockPage page;
    page.line.word = shmutex::word::owner_died;
    page.line.token = support::token_beyond_the_clock;
    if (!header_written) page.of_another_boot();
    page.header.validity = shmutex::validity::resetting;
    EXPECT_EQ(first_lock_after_takeover(page), EOWNERDEAD);
    EXPECT_EQ(support::inspect(path_).token, support::token_beyond_the_clock + 2);
  }
}

TEST_F(FileFormats, InterruptedResetOfALargerFileIsFinished) {
  LockPage page;
  page.with_page_size(65536).of_another_boot();
  page.line.word = 12345;
  page.header.validity = shmutex::validity::resetting;
  EXPECT_EQ(first_lock_after_takeover(page), EOWNERDEAD);
}

TEST_F(FileFormats, InterruptedRemovalIsFinishedByTheNextOpener) {
  LockPage page;
  page.line.state = shmutex::state::retired;
  page.write(path_);
  const uint64_t retired = support::inode_of(path_);
  EXPECT_EQ(CALL(Handle(path_, SHMUTEX_MUST_EXIST).error()), ENOENT);
  EXPECT_TRUE(support::names_in(directory_.path()).empty());
  page.write(path_);
  const Handle lock(path_, SHMUTEX_MUST_CREATE);
  EXPECT_EQ(lock.error(), 0);
  EXPECT_NE(support::inode_of(path_), retired);
  EXPECT_EQ(shmutex_lock(lock), 0);
}

TEST_F(FileFormats, InterruptedRemovalOfAnOpenLockIsFinishedByTheNextOpener) {
  const Handle old(path_);
  LockPage page(path_);
  page.line.state |= shmutex::state::retired;
  page.write(path_);
  EXPECT_EQ(shmutex_lock(old), EIDRM);
  const Handle fresh(path_);
  ASSERT_EQ(fresh.error(), 0);
  EXPECT_EQ(shmutex_lock(fresh), 0);
  EXPECT_EQ(shmutex_is_owned(old), 0);
}

TEST_F(FileFormats, UnlinkFinishesAnInterruptedRemoval) {
  LockPage page;
  page.line.state = shmutex::state::retired;
  page.write(path_);
  const int result = CALL(shmutex_unlink(path_.c_str(), 0));
  EXPECT_TRUE(result == 0 || result == ENOENT) << result;
  EXPECT_TRUE(support::names_in(directory_.path()).empty());
}

TEST_F(FileFormats, TokensNeverGoBackOverRemovalAndReset) {
  uint64_t last = 0;
  for (int round = 0; round < 200; ++round) {
    {
      const Handle lock(path_);
      ASSERT_EQ(lock.error(), 0);
      ASSERT_EQ(shmutex_lock(lock), 0);
      EXPECT_GT(shmutex_token(lock), last);
      last = shmutex_token(lock);
    }
    if (round % 2 == 0) {
      ASSERT_EQ(shmutex_unlink(path_.c_str(), 0), 0);
    } else
      LockPage(path_).of_another_boot().write(path_);
  }
}

// The page is not flushed: after a power loss, a file on a disk holds an old state of it.
TEST_F(FileFormats, TokensGoOnFromTheClockWhereTheDiskHasAnOldState) {
  for (const auto make_stale : {&LockPage::of_another_boot, &LockPage::of_another_pid_namespace}) {
    uint64_t before = 0;
    {
      const Handle lock(path_);
      ASSERT_EQ(shmutex_lock(lock), 0);
      before = shmutex_token(lock);
    }
    LockPage page(path_);
    page.line.token = before - 1'000'000;
    (page.*make_stale)().write(path_);
    const Handle lock(path_);
    ASSERT_EQ(lock.error(), 0);
    ASSERT_EQ(shmutex_lock(lock), 0);
    EXPECT_GT(shmutex_token(lock), before);
  }
}

TEST_F(FileFormats, TokensOfAStaleOtherVersionDoNotStartAtNothing) {
  const uint64_t before = [&] {
    const Handle lock(path_);
    return shmutex_token(lock);
  }();
  LockPage page(path_);
  page.header.version = 2;
  page.of_another_boot().write(path_);
  const Handle lock(path_);
  EXPECT_GT(shmutex_token(lock), before);
}

}  // namespace
