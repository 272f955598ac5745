// Lock files as bytes, to be forged: made by another boot, version or machine, or left by a process that was killed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "mutex/layout.h"
#include "object/header.h"
#include "os/robust_word.h"

namespace support {

// A lock file of this process's TID scope, free and without attributes, to be edited before it is written.
struct LockPage {
  LockPage();
  explicit LockPage(const std::string& path);  // what is in that file now

  shmutex::Header header;
  shmutex::SharedLine line{};
  uint64_t file_size;

  LockPage& of_another_boot();
  LockPage& of_another_pid_namespace();
  LockPage& with_page_size(uint32_t size);  // of the machine that it was made on
  LockPage& seal();                         // the checksum, after the header was edited

  std::string bytes() const;
  void write(const std::string& path) const;  // over an existing file, or as a new one
};

// A token that the clock will not reach before the year 2096: a take-over leaves it as it is.
inline constexpr uint64_t token_beyond_the_clock = 4'000'000'000'000'000'000;

// A TID that no thread has.
uint32_t dead_tid();

}  // namespace support
