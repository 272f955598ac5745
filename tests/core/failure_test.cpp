// Every reason has a sentence, which names the lock where there is one, and every code has one.
#include "error/failure.h"

#include <ctype.h>
#include <errno.h>
#include <gtest/gtest.h>
#include <string.h>

#include <set>
#include <string>
#include <thread>

namespace shmutex {
namespace {

constexpr int reasons = static_cast<int>(Reason::count);

TEST(Failure, EveryReasonHasASentence) {
  for (int i = static_cast<int>(Reason::none) + 1; i < reasons; ++i) {
    for (const uint64_t number : {uint64_t{0}, uint64_t{1}, UINT64_MAX >> 32}) {
      EXPECT_EQ(fail(EIO, static_cast<Reason>(i), "/some/lock", number, number), EIO);
      const std::string text = failure_text();
      ASSERT_GT(text.size(), 15u) << i;
      EXPECT_EQ(text.back(), '.') << text;
      EXPECT_EQ(text.find('%'), std::string::npos) << text;
      EXPECT_EQ(text.find("(null)"), std::string::npos) << text;
    }
  }
}

// Bindings put their own advice behind the fact, so a fact is whole by itself and speaks of no language.
TEST(Failure, FactAndAdviceAreSentencesAndMakeTheText) {
  std::set<std::string> names;
  for (int i = static_cast<int>(Reason::none) + 1; i < reasons; ++i) {
    fail(EIO, static_cast<Reason>(i), "/some/lock", 1, 1);
    const std::string fact = failure_fact();
    const std::string advice = failure_advice();
    ASSERT_GT(advice.size(), 10u) << failure_reason();
    EXPECT_TRUE(fact.back() == '.' && advice.back() == '.') << fact << " | " << advice;
    EXPECT_TRUE(isupper(advice[0])) << advice;
    EXPECT_EQ(fact.find_first_of("{}[]"), std::string::npos) << fact;
    for (const char* const word : {"shmutex_", "SHMUTEX_"}) EXPECT_EQ(fact.find(word), std::string::npos) << fact;
    EXPECT_EQ(fact + " " + advice, failure_text());
    EXPECT_TRUE(names.insert(failure_reason()).second) << failure_reason();
  }
}

TEST(Failure, BeforeTheFirstNothingIsSaid) {
  std::thread([] {
    EXPECT_STREQ(failure_reason(), "");
    EXPECT_STREQ(failure_fact(), "");
    EXPECT_STREQ(failure_advice(), "");
  }).join();
}

TEST(Failure, ANumberThatIsNotKnownIsLeftOut) {
  fail(ETIMEDOUT, Reason::timed_out, "/some/lock", 4711);
  EXPECT_STREQ(failure_fact(), "The wait for /some/lock timed out; it is held by thread 4711.");
  fail(ETIMEDOUT, Reason::timed_out, "/some/lock");
  EXPECT_STREQ(failure_fact(), "The wait for /some/lock timed out.");
  fail(EBUSY, Reason::busy);
  EXPECT_STREQ(failure_fact(), "The lock is held.");
}

TEST(Failure, APathIsNotReadAsAPattern) {
  fail(EBUSY, Reason::busy, "/some/{a}[lock]%s", 1);
  EXPECT_STREQ(failure_fact(), "/some/{a}[lock]%s is held by thread 1.");
}

TEST(Failure, EveryReasonWithoutAPathHasASentence) {
  for (int i = static_cast<int>(Reason::none) + 1; i < reasons; ++i) {
    fail(EIO, static_cast<Reason>(i));
    const std::string text = failure_text();
    ASSERT_GT(text.size(), 15u) << i;
    EXPECT_EQ(text.find("(null)"), std::string::npos) << text;
  }
}

TEST(Failure, OfALockNamesItsPath) {
  for (const Reason reason : {Reason::kernel,           Reason::not_regular,
                              Reason::symlink,          Reason::file_system,
                              Reason::exists,           Reason::missing,
                              Reason::not_a_lock,       Reason::other_format,
                              Reason::other_boot_alive, Reason::other_namespace_alive,
                              Reason::takeover_stuck,   Reason::removal_stuck,
                              Reason::attributes,       Reason::busy,
                              Reason::self_deadlock,    Reason::cycle,
                              Reason::two_copies,       Reason::depth,
                              Reason::not_owner,        Reason::overwritten,
                              Reason::not_inconsistent, Reason::timed_out,
                              Reason::interrupted,      Reason::poisoned,
                              Reason::retired,          Reason::too_many_held,
                              Reason::forked_elsewhere, Reason::close_held,
                              Reason::close_inside,     Reason::held_unlink,
                              Reason::owner_died,       Reason::out_of_memory}) {
    fail(EIO, reason, "/some/lock", 1, 1);
    EXPECT_NE(std::string(failure_text()).find("/some/lock"), std::string::npos) << failure_text();
  }
}

TEST(Failure, KernelErrorsComeWithAdvice) {
  for (const int code : {EACCES, EPERM, ENOENT, ENOTDIR, ENOSPC, EDQUOT, EMFILE, ENFILE, EROFS, ENAMETOOLONG, ENOSYS}) {
    EXPECT_EQ(fail_by_kernel(-code, "/some/lock"), code);
    EXPECT_EQ(std::string(failure_text()).find("errno(3)"), std::string::npos) << failure_text();
  }
  fail_by_kernel(-EIO, "/some/lock");
  EXPECT_NE(std::string(failure_text()).find("errno(3)"), std::string::npos);
  fail_by_kernel(-9999, "/some/lock");
  EXPECT_NE(std::string(failure_text()).find("an unknown error"), std::string::npos) << failure_text();
}

TEST(Failure, LongPathsAreCutOff) {
  const std::string path(5000, 'p');
  for (int i = static_cast<int>(Reason::none) + 1; i < reasons; ++i) {
    fail(EIO, static_cast<Reason>(i), path.c_str());
    EXPECT_LT(strlen(failure_text()), 1200u);
  }
}

TEST(Failure, IsOfTheThreadAndLeavesErrnoAlone) {
  std::thread([] {
    EXPECT_STREQ(failure_text(), "");
    errno = 4711;
    EXPECT_EQ(fail(EBUSY, Reason::busy, "mine"), EBUSY);
    EXPECT_EQ(errno, 4711);
    EXPECT_NE(std::string(failure_text()).find("mine"), std::string::npos);
  }).join();
}

TEST(Failure, PathIsCopied) {
  char path[] = "/before";
  fail(EBUSY, Reason::busy, path);
  memcpy(path, "/behind", sizeof path);
  EXPECT_NE(std::string(failure_text()).find("/before"), std::string::npos);
}

TEST(CodeText, IsASentenceForEveryCodeOfTheHeader) {
  for (const int code :
       {0,      EOWNERDEAD, EBUSY,   EDEADLK,         EAGAIN, EPERM,  EINTR,  EINVAL,  ETIMEDOUT, ENOTRECOVERABLE,
        EIDRM,  ENOLCK,     EBADMSG, EPROTONOSUPPORT, EXDEV,  ENOSYS, ESTALE, ENOTSUP, ELOOP,     EPROTOTYPE,
        ENOENT, EEXIST,     EACCES,  ENOMEM,          ENOSPC}) {
    EXPECT_EQ(code_text(code)[strlen(code_text(code)) - 1], '.') << code;
  }
  EXPECT_STREQ(code_text(-1), "Unknown error code.");
  EXPECT_STRNE(code_text(EIO), "");
}

}  // namespace
}  // namespace shmutex
