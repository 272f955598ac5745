// What the tests of the C++ wrapper share.
#pragma once

#include <gtest/gtest.h>
#include <shmutex/shmutex.hpp>

#include <unistd.h>

#include <cerrno>
#include <functional>
#include <string>
#include <system_error>

#include "support/support.h"

namespace cpp_test {

// The errno value of the std::system_error that body() throws; 0 if it throws nothing.
inline int error_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code().category(), std::generic_category());
    EXPECT_STRNE(error.what(), "");
    return error.code().value();
  }
  return 0;
}

// A process that acquires the lock at path and is killed inside.
inline void die_inside(const std::string& path) {
  support::Shared<support::Flag> inside;
  support::Child owner([&] {
    shmutex::mutex m(path, shmutex::flags::any_attributes);
    m.lock();
    inside->raise();
    for (;;) pause();
    return 0;
  });
  inside->wait();
  owner.kill_and_wait();
}

}  // namespace cpp_test
