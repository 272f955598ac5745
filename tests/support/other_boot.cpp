#include "support/other_boot.h"

#include <fcntl.h>
#include <unistd.h>

#include <stdexcept>
#include <utility>

namespace support {
namespace {

int (&opened(int (&ends)[2]))[2] {
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe failed");
  return ends;
}

void close_if_open(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

}  // namespace

OtherBoot::OtherBoot(const std::string& directory, const std::string& path)
    : process_([&, input = opened(input_), output = opened(output_)] {
        dup2(input[0], STDIN_FILENO);
        dup2(output[1], STDOUT_FILENO);
        execl(OTHER_BOOT, OTHER_BOOT, directory.c_str(), path.c_str(), nullptr);
        return 1;
      }) {
  close_if_open(input_[0]);
  close_if_open(output_[1]);
  if (answer() != 'r') throw std::runtime_error("no other boot can be made");
}

OtherBoot::OtherBoot(OtherBoot&& other) noexcept
    : input_{-1, std::exchange(other.input_[1], -1)},
      output_{std::exchange(other.output_[0], -1), -1},
      process_(std::move(other.process_)) {}

OtherBoot::~OtherBoot() {
  close_if_open(input_[1]);
  close_if_open(output_[0]);
}

char OtherBoot::answer() {
  char byte = 0;
  if (read(output_[0], &byte, 1) != 1) throw std::runtime_error("the process of another boot is gone");
  return byte;
}

void OtherBoot::go() {
  if (write(input_[1], "g", 1) != 1) throw std::runtime_error("the process of another boot is gone");
}

int OtherBoot::result() { return answer(); }

void OtherBoot::unlock() {
  if (write(input_[1], "u", 1) != 1 || answer() != 'u')
    throw std::runtime_error("the process of another boot did not unlock");
}

void OtherBoot::kill() { process_.kill_and_wait(); }

}  // namespace support
