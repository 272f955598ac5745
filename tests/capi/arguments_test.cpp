// What every function does with arguments that it must refuse, and what the functions of words say.
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <functional>
#include <thread>

#include "support/calls.h"
#include "support/support.h"

namespace {

using support::Handle;
using support::info_of;

class Arguments : public testing::Test {
 protected:
  support::TempDir directory_;
  const std::string path_ = directory_ / "lock";
  alignas(SHMUTEX_ALIGN) unsigned char memory_[2 * SHMUTEX_SIZE] = {};
};

TEST_F(Arguments, NullHandleIsRefusedByEveryFunction) {
  shmutex_info_t info{};
  info.size = sizeof info;
  EXPECT_EQ(CALL(shmutex_lock(nullptr)), EINVAL);
  EXPECT_EQ(CALL(shmutex_trylock(nullptr)), EINVAL);
  EXPECT_EQ(CALL(shmutex_timedlock(nullptr, 0)), EINVAL);
  EXPECT_EQ(CALL(shmutex_acquire(nullptr, 0, 0)), EINVAL);
  EXPECT_EQ(CALL(shmutex_unlock(nullptr)), EINVAL);
  EXPECT_EQ(CALL(shmutex_consistent(nullptr)), EINVAL);
  EXPECT_EQ(CALL(shmutex_poison(nullptr)), EINVAL);
  EXPECT_EQ(CALL(shmutex_close(nullptr)), EINVAL);
  EXPECT_EQ(CALL(shmutex_info(nullptr, &info)), EINVAL);
  EXPECT_EQ(CALL(shmutex_is_owned(nullptr)), 0);
  EXPECT_EQ(CALL(shmutex_token(nullptr)), 0u);
}

TEST_F(Arguments, NullPathOutMemoryAndInfoAreRefused) {
  shmutex_t* m = nullptr;
  shmutex_info_t info{};
  info.size = sizeof info;
  EXPECT_EQ(CALL(shmutex_open(nullptr, path_.c_str(), 0, 0)), EINVAL);
  EXPECT_EQ(CALL(shmutex_open(&m, nullptr, 0, 0)), EINVAL);
  EXPECT_EQ(CALL(shmutex_unlink(nullptr, 0)), EINVAL);
  EXPECT_EQ(CALL(shmutex_inspect(nullptr, &info)), EINVAL);
  EXPECT_EQ(CALL(shmutex_inspect(path_.c_str(), nullptr)), EINVAL);
  EXPECT_EQ(CALL(shmutex_init(nullptr, SHMUTEX_SIZE, 0)), EINVAL);
  EXPECT_EQ(CALL(shmutex_attach(&m, nullptr, SHMUTEX_SIZE, 0)), EINVAL);
  EXPECT_EQ(CALL(shmutex_attach(nullptr, memory_, SHMUTEX_SIZE, 0)), EINVAL);
  EXPECT_EQ(CALL(shmutex_destroy(nullptr, SHMUTEX_SIZE)), EINVAL);
  const Handle lock(path_);
  EXPECT_EQ(CALL(shmutex_info(lock, nullptr)), EINVAL);
}

TEST_F(Arguments, EmptyPathIsRefused) {
  Handle lock;
  EXPECT_NE(lock.open(""), 0);
  EXPECT_NE(CALL(shmutex_unlink("", 0)), 0);
  EXPECT_STRNE(shmutex_error_detail(), "");
}

TEST_F(Arguments, EveryFlagThatIsNotForOpenIsRefusedAndNothingIsCreated) {
  constexpr unsigned allowed =
      SHMUTEX_RECURSIVE | SHMUTEX_FAIR | SHMUTEX_MUST_EXIST | SHMUTEX_MUST_CREATE | SHMUTEX_ANY_ATTR;
  for (int bit = 0; bit < 32; ++bit) {
    if ((allowed & (1u << bit)) != 0) continue;
    shmutex_t* m = nullptr;
    EXPECT_EQ(CALL(shmutex_open(&m, path_.c_str(), 1u << bit, 0)), EINVAL) << bit;
    EXPECT_EQ(m, nullptr);
  }
  shmutex_t* m = nullptr;
  EXPECT_EQ(CALL(shmutex_open(&m, path_.c_str(), SHMUTEX_MUST_EXIST | SHMUTEX_MUST_CREATE, 0)), EINVAL);
  EXPECT_TRUE(support::names_in(directory_.path()).empty());
}

TEST_F(Arguments, FlagsThatAreNotForTheFunctionAreRefused) {
  Handle lock(path_);
  ASSERT_EQ(lock.error(), 0);
  EXPECT_EQ(CALL(shmutex_unlink(path_.c_str(), 1)), EINVAL);
  EXPECT_EQ(CALL(shmutex_acquire(lock, 0, 2)), EINVAL);
  EXPECT_EQ(CALL(shmutex_acquire(lock, 0, ~0u)), EINVAL);
  EXPECT_EQ(CALL(shmutex_is_owned(lock)), 0);
  EXPECT_EQ(CALL(shmutex_init(memory_, SHMUTEX_SIZE, SHMUTEX_INIT_ONCE)), EINVAL);
  EXPECT_EQ(CALL(shmutex_init(memory_, SHMUTEX_SIZE, SHMUTEX_ANY_ATTR)), EINVAL);
  ASSERT_EQ(CALL(shmutex_init(memory_, SHMUTEX_SIZE, 0)), 0);
  shmutex_t* m = nullptr;
  EXPECT_EQ(CALL(shmutex_attach(&m, memory_, SHMUTEX_SIZE, SHMUTEX_MUST_EXIST)), EINVAL);
  EXPECT_EQ(CALL(shmutex_attach(&m, memory_, SHMUTEX_SIZE, SHMUTEX_MUST_CREATE)), EINVAL);
  EXPECT_EQ(CALL(shmutex_attach(&m, memory_, SHMUTEX_SIZE, 0x1000)), EINVAL);
}

TEST_F(Arguments, ModeBeyondPermissionBitsIsRefused) {
  shmutex_t* m = nullptr;
  for (const unsigned mode : {01000u, 02600u, 04755u, 0100600u, ~0u}) {
    EXPECT_EQ(CALL(shmutex_open(&m, path_.c_str(), 0, mode)), EINVAL) << mode;
  }
  EXPECT_TRUE(support::names_in(directory_.path()).empty());
}

TEST_F(Arguments, FailedOpenAndAttachSetOutToNull) {
  auto* m = reinterpret_cast<shmutex_t*>(memory_);
  EXPECT_EQ(CALL(shmutex_open(&m, path_.c_str(), SHMUTEX_MUST_EXIST, 0)), ENOENT);
  EXPECT_EQ(m, nullptr);
  m = reinterpret_cast<shmutex_t*>(memory_);
  EXPECT_EQ(CALL(shmutex_attach(&m, memory_, SHMUTEX_SIZE, 0)), EBADMSG);
  EXPECT_EQ(m, nullptr);
}

TEST_F(Arguments, InfoOfTheWrongSizeIsRefused) {
  const Handle lock(path_);
  shmutex_info_t info{};
  for (const uint32_t size : {0u, 1u, static_cast<uint32_t>(sizeof info) - 1}) {
    info.size = size;
    EXPECT_EQ(CALL(shmutex_info(lock, &info)), EINVAL) << size;
    EXPECT_EQ(CALL(shmutex_inspect(path_.c_str(), &info)), EINVAL) << size;
    EXPECT_EQ(info.size, size);
  }
}

TEST_F(Arguments, LargerInfoOfALaterVersionIsFilledAsFarAsKnown) {
  const Handle lock(path_);
  struct {
    shmutex_info_t known;
    uint64_t added[4];
  } later;
  memset(&later, 0xff, sizeof later);
  later.known.size = sizeof later;
  EXPECT_EQ(CALL(shmutex_info(lock, &later.known)), 0);
  EXPECT_EQ(later.known.size, sizeof(shmutex_info_t));
  for (const uint64_t field : later.added) EXPECT_EQ(field, 0u);
}

TEST_F(Arguments, MemoryTooSmallOrMisalignedIsRefused) {
  shmutex_t* m = nullptr;
  EXPECT_EQ(CALL(shmutex_init(memory_, 0, 0)), EINVAL);
  EXPECT_EQ(CALL(shmutex_init(memory_, SHMUTEX_SIZE - 1, 0)), EINVAL);
  EXPECT_EQ(CALL(shmutex_attach(&m, memory_, SHMUTEX_SIZE - 1, 0)), EINVAL);
  EXPECT_EQ(CALL(shmutex_destroy(memory_, SHMUTEX_SIZE - 1)), EINVAL);
  for (const size_t offset : {1, 4, 8, 32}) {
    EXPECT_EQ(CALL(shmutex_init(memory_ + offset, SHMUTEX_SIZE, 0)), EINVAL) << offset;
    EXPECT_EQ(CALL(shmutex_attach(&m, memory_ + offset, SHMUTEX_SIZE, SHMUTEX_INIT_ONCE)), EINVAL) << offset;
    EXPECT_EQ(CALL(shmutex_destroy(memory_ + offset, SHMUTEX_SIZE)), EINVAL) << offset;
  }
  for (const unsigned char byte : memory_) ASSERT_EQ(byte, 0);
}

TEST_F(Arguments, SizeAndAlignmentAreWhatTheHeaderSays) {
  EXPECT_EQ(CALL(shmutex_size()), static_cast<size_t>(SHMUTEX_SIZE));
  EXPECT_LE(SHMUTEX_SIZE, 256);
  EXPECT_LE(SHMUTEX_ALIGN, 64);
}

TEST(Words, VersionIsThatOfTheHeader) {
  const std::string expected = std::to_string(SHMUTEX_VERSION_MAJOR) + "." + std::to_string(SHMUTEX_VERSION_MINOR) +
                               "." + std::to_string(SHMUTEX_VERSION_PATCH);
  EXPECT_EQ(CALL(shmutex_version()), expected);
}

TEST(Words, EveryCodeHasASentence) {
  for (const int code :
       {EOWNERDEAD, EBUSY,  EDEADLK,      EAGAIN, EPERM,  EINTR,           EINVAL, ETIMEDOUT, ENOTRECOVERABLE,
        EIDRM,      ENOLCK, EBADMSG,      ENOENT, EEXIST, EPROTONOSUPPORT, EXDEV,  ENOSYS,    ESTALE,
        ENOTSUP,    ELOOP,  EPROTOTYPE,   EACCES, ENOSPC, EDQUOT,          EMFILE, ENFILE,    ENOMEM,
        EROFS,      EFAULT, ENAMETOOLONG, 0}) {
    const char* const text = CALL(shmutex_strerror(code));
    ASSERT_NE(text, nullptr);
    EXPECT_GT(strlen(text), 5u) << code;
  }
}

TEST(Words, NoIntegerHasNoSentence) {
  for (const int code : {-1, INT32_MIN, INT32_MAX, 4711, 512, 133, 134}) {
    const char* const text = CALL(shmutex_strerror(code));
    ASSERT_NE(text, nullptr);
    EXPECT_STRNE(text, "") << code;
  }
  for (int code = -200; code < 1000; ++code) ASSERT_NE(shmutex_strerror(code), nullptr);
}

TEST(Words, DetailIsEmptyInAThreadWhereNothingFailed) {
  EXPECT_EQ(shmutex_lock(nullptr), EINVAL);
  std::thread([] { EXPECT_STREQ(CALL(shmutex_error_detail()), ""); }).join();
  EXPECT_STRNE(CALL(shmutex_error_detail()), "");
}

TEST(Words, DetailIsThatOfTheCallingThreadAndOfItsLastFailure) {
  const support::TempDir directory;
  Handle lock;
  EXPECT_EQ(lock.open(directory / "first", SHMUTEX_MUST_EXIST), ENOENT);
  std::thread([&] {
    Handle other;
    EXPECT_EQ(other.open(directory / "second", SHMUTEX_MUST_EXIST), ENOENT);
    EXPECT_NE(std::string(shmutex_error_detail()).find("second"), std::string::npos);
  }).join();
  EXPECT_NE(std::string(shmutex_error_detail()).find("first"), std::string::npos);
  EXPECT_EQ(lock.open(directory / "third", SHMUTEX_MUST_EXIST), ENOENT);
  EXPECT_NE(std::string(shmutex_error_detail()).find("third"), std::string::npos);
}

TEST(Words, DetailOfAVeryLongPathIsCutOffAndNotOverrun) {
  Handle lock;
  const std::string path = "/dev/shm/" + std::string(4000, 'x');
  EXPECT_EQ(lock.open(path), ENAMETOOLONG);
  EXPECT_LT(strlen(shmutex_error_detail()), 1300u);
  EXPECT_EQ(lock.open(path + path), ENAMETOOLONG);
  EXPECT_EQ(CALL(shmutex_unlink((path + path).c_str(), 0)), ENAMETOOLONG);
}

}  // namespace
