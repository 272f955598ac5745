// Two copies of the library in one process, as when a program and a plug-in bring one each: the lock stays one lock,
// and a thread that holds it through one copy is told so by the other.
#include <dlfcn.h>
#include <errno.h>
#include <gtest/gtest.h>
#include <shmutex/shmutex.h>

#include <filesystem>

#include "support/support.h"

namespace {

struct Copy {
  explicit Copy(const std::string& file) : library(dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    EXPECT_NE(library, nullptr) << dlerror();
  }
  template <class Function>
  Function* find(const char* name) const {
    return reinterpret_cast<Function*>(dlsym(library, name));
  }
  int open(shmutex_t** out, const std::string& path) const {
    return find<decltype(shmutex_open)>("shmutex_open")(out, path.c_str(), 0, 0);
  }
  int attach(shmutex_t** out, void* memory) const {
    return find<decltype(shmutex_attach)>("shmutex_attach")(out, memory, SHMUTEX_SIZE, SHMUTEX_INIT_ONCE);
  }
  int lock(shmutex_t* m) const { return find<decltype(shmutex_lock)>("shmutex_lock")(m); }
  int trylock(shmutex_t* m) const { return find<decltype(shmutex_trylock)>("shmutex_trylock")(m); }
  int timedlock(shmutex_t* m) const {
    return find<decltype(shmutex_timedlock)>("shmutex_timedlock")(m, support::second);
  }
  int unlock(shmutex_t* m) const { return find<decltype(shmutex_unlock)>("shmutex_unlock")(m); }
  int is_owned(shmutex_t* m) const { return find<decltype(shmutex_is_owned)>("shmutex_is_owned")(m); }
  int close(shmutex_t* m) const { return find<decltype(shmutex_close)>("shmutex_close")(m); }
  int remove(const std::string& path) const {
    return find<decltype(shmutex_unlink)>("shmutex_unlink")(path.c_str(), 0);
  }
  std::string detail() const { return find<decltype(shmutex_error_detail)>("shmutex_error_detail")(); }

  void* library;
};

class TwoCopies : public testing::Test {
 protected:
  TwoCopies() : second_((copy_library(), directory_ / "second.so")) {}

  void copy_library() { std::filesystem::copy_file(SHMUTEX_LIBRARY, directory_ / "second.so"); }

  void expect_one_lock(shmutex_t* a, shmutex_t* b) {
    ASSERT_EQ(first_.lock(a), 0);
    EXPECT_EQ(second_.lock(b), EDEADLK);
    EXPECT_NE(second_.detail().find("another copy"), std::string::npos) << second_.detail();
    EXPECT_EQ(second_.timedlock(b), EDEADLK);
    EXPECT_EQ(second_.trylock(b), EBUSY);
    EXPECT_EQ(second_.unlock(b), EPERM);
    EXPECT_EQ(second_.is_owned(b), 0);
    EXPECT_EQ(first_.is_owned(a), 1);
    EXPECT_EQ(first_.unlock(a), 0);
    EXPECT_EQ(second_.lock(b), 0);
    EXPECT_EQ(first_.lock(a), EDEADLK);
    EXPECT_EQ(first_.unlock(a), EPERM);
    EXPECT_EQ(second_.unlock(b), 0);
  }

  support::TempDir directory_;
  const std::string path_ = directory_ / "lock";
  const Copy first_{SHMUTEX_LIBRARY};
  const Copy second_;
};

TEST_F(TwoCopies, AreTwo) {
  EXPECT_NE(first_.library, second_.library);
  EXPECT_NE(first_.find<decltype(shmutex_lock)>("shmutex_lock"), second_.find<decltype(shmutex_lock)>("shmutex_lock"));
}

TEST_F(TwoCopies, SeeOneLockInAFile) {
  shmutex_t* a = nullptr;
  shmutex_t* b = nullptr;
  ASSERT_EQ(first_.open(&a, path_), 0);
  ASSERT_EQ(second_.open(&b, path_), 0);
  expect_one_lock(a, b);
  ASSERT_EQ(first_.lock(a), 0);
  EXPECT_EQ(second_.remove(path_), EBUSY);
  EXPECT_EQ(first_.unlock(a), 0);
  EXPECT_EQ(second_.remove(path_), 0);
  EXPECT_EQ(first_.lock(a), EIDRM);
  EXPECT_EQ(first_.close(a), 0);
  EXPECT_EQ(second_.close(b), 0);
}

TEST_F(TwoCopies, SeeOneLockInABuffer) {
  alignas(SHMUTEX_ALIGN) unsigned char memory[SHMUTEX_SIZE] = {};
  shmutex_t* a = nullptr;
  shmutex_t* b = nullptr;
  ASSERT_EQ(first_.attach(&a, memory), 0);
  ASSERT_EQ(second_.attach(&b, memory), 0);
  expect_one_lock(a, b);
  EXPECT_EQ(first_.close(a), 0);
  EXPECT_EQ(second_.close(b), 0);
}

TEST_F(TwoCopies, ShareTheRobustListInAnyOrder) {
  const std::string other = directory_ / "other";
  shmutex_t* a = nullptr;
  shmutex_t* b = nullptr;
  ASSERT_EQ(first_.open(&a, path_), 0);
  ASSERT_EQ(second_.open(&b, other), 0);
  for (const bool first_in_first_out : {false, true}) {
    ASSERT_EQ(first_.lock(a) | second_.lock(b), 0);
    if (first_in_first_out) {
      EXPECT_EQ(first_.unlock(a) | second_.unlock(b), 0);
    } else {
      EXPECT_EQ(second_.unlock(b) | first_.unlock(a), 0);
    }
  }
  support::Child owner([&] { return first_.lock(a) | second_.lock(b); });
  EXPECT_EQ(owner.wait(), 0);
  EXPECT_EQ(first_.lock(a), EOWNERDEAD);
  EXPECT_EQ(second_.lock(b), EOWNERDEAD);
  EXPECT_EQ(first_.unlock(a) | second_.unlock(b), 0);
  EXPECT_EQ(first_.close(a) | second_.close(b), 0);
}

TEST_F(TwoCopies, WaitForEachOther) {
  shmutex_t* a = nullptr;
  ASSERT_EQ(first_.open(&a, path_), 0);
  ASSERT_EQ(first_.lock(a), 0);
  support::Child waiter([&] {
    shmutex_t* b = nullptr;
    if (second_.open(&b, path_) != 0 || second_.lock(b) != 0) return 1;
    return second_.unlock(b);
  });
  waiter.wait_until_asleep();
  EXPECT_EQ(first_.unlock(a), 0);
  EXPECT_EQ(waiter.wait(), 0);
  EXPECT_EQ(first_.close(a), 0);
}

}  // namespace
