// A process of another boot: see other_boot_main.cpp.
#pragma once

#include <string>

#include "support/support.h"

namespace support {

class OtherBoot {
 public:
  // Returns when the process is ready to open. directory: of the lock, for a file of its own.
  OtherBoot(const std::string& directory, const std::string& path);
  ~OtherBoot();
  OtherBoot(OtherBoot&& other) noexcept;

  void go();     // open the lock and acquire it
  int result();  // what came of that
  int go_and_see() {
    go();
    return result();
  }
  void unlock();
  void kill();

 private:
  int input_[2];
  int output_[2];
  support::Child process_;
  char answer();
};

}  // namespace support
