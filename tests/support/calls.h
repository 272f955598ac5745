// The library's functions as the tests call them: errno watched, handles closed, structures filled in.
#pragma once

#include <errno.h>
#include <gtest/gtest.h>
#include <shmutex/shmutex.h>
#include <stdio.h>

#include <string>
#include <utility>
#include <vector>

namespace support {

// The result of a call, which must have left errno alone.
template <class Function>
auto errno_kept(const Function& function) {
  constexpr int unlikely_value = 4711;
  errno = unlikely_value;
  const auto result = function();
  EXPECT_EQ(errno, unlikely_value) << "errno was changed";
  return result;
}
#define CALL(expression) ::support::errno_kept([&] { return (expression); })

// In a forked child: ends the body with a status that is not 0, and says why.
#define CHILD_REQUIRE(condition)                                                                            \
  do {                                                                                                      \
    if (!(condition)) {                                                                                     \
      fprintf(stderr, "%s:%d: in a child: %s is false; last failure: %s\n", __FILE__, __LINE__, #condition, \
              shmutex_error_detail());                                                                      \
      return 1;                                                                                             \
    }                                                                                                       \
  } while (false)

// An open lock. Released as often as it is held, and closed, when this goes out of scope.
class Handle {
 public:
  Handle() = default;
  explicit Handle(const std::string& path, unsigned flags = 0, unsigned mode = 0) { error_ = open(path, flags, mode); }
  ~Handle() { close(); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  Handle(Handle&& other) noexcept : lock_(std::exchange(other.lock_, nullptr)), error_(other.error_) {}

  int open(const std::string& path, unsigned flags = 0, unsigned mode = 0) {
    close();
    return error_ = shmutex_open(&lock_, path.c_str(), flags, mode);
  }
  int attach(void* memory, size_t length, unsigned flags = 0) {
    close();
    return error_ = shmutex_attach(&lock_, memory, length, flags);
  }
  void close() {
    if (lock_ == nullptr) return;
    while (shmutex_is_owned(lock_) == 1 && shmutex_unlock(lock_) == 0) {
    }
    shmutex_close(lock_);
    lock_ = nullptr;
  }
  shmutex_t* release() { return std::exchange(lock_, nullptr); }  // to be closed by the caller
  int error() const { return error_; }                            // of the last open() or attach()
  shmutex_t* get() const { return lock_; }
  operator shmutex_t*() const { return lock_; }

 private:
  shmutex_t* lock_ = nullptr;
  int error_ = 0;
};

inline shmutex_info_t info_of(const shmutex_t* lock) {
  shmutex_info_t info{};
  info.size = sizeof info;
  EXPECT_EQ(shmutex_info(lock, &info), 0) << shmutex_error_detail();
  return info;
}

inline shmutex_info_t inspect(const std::string& path) {
  shmutex_info_t info{};
  info.size = sizeof info;
  EXPECT_EQ(shmutex_inspect(path.c_str(), &info), 0) << shmutex_error_detail();
  return info;
}

// What a process has: to see that nothing leaks.
size_t open_descriptors();
size_t mappings();

// Files.
std::string content_of(const std::string& path);
void write_content(const std::string& path, const std::string& content);
std::vector<std::string> names_in(const std::string& directory);
uint64_t inode_of(const std::string& path);

}  // namespace support
