#include "support/lock_page.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <fstream>
#include <stdexcept>

#include "support/calls.h"

namespace support {
namespace {

shmutex::TidScope this_world() {
  shmutex::TidScope world{};
  std::string digits;
  for (const char c : content_of("/proc/sys/kernel/random/boot_id")) {
    if (isxdigit(static_cast<unsigned char>(c)) != 0) digits += c;
  }
  for (size_t i = 0; i < sizeof world.boot_id; ++i) {
    world.boot_id[i] = static_cast<uint8_t>(std::stoul(digits.substr(2 * i, 2), nullptr, 16));
  }
  world.pid_namespace = inode_of("/proc/self/ns/pid");
  return world;
}

uint32_t page_size() { return static_cast<uint32_t>(sysconf(_SC_PAGESIZE)); }

uint32_t word_offset_in(uint32_t page) {
  return page - static_cast<uint32_t>(sizeof(shmutex::SharedLine) - offsetof(shmutex::SharedLine, word));
}

}  // namespace

LockPage::LockPage() : file_size(page_size()) {
  header = shmutex::make_header(shmutex::Placement::file, this_world(), page_size(), word_offset_in(page_size()),
                                static_cast<int32_t>(-shmutex::node_distance), 0);
  header.validity = shmutex::validity::valid;
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  line.token = static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

LockPage::LockPage(const std::string& path) {
  const std::string content = content_of(path);
  if (content.size() < sizeof header + sizeof line) throw std::runtime_error("no lock page in " + path);
  file_size = content.size();
  memcpy(&header, content.data(), sizeof header);
  memcpy(&line, content.data() + content.size() - sizeof line, sizeof line);
}

LockPage& LockPage::of_another_boot() {
  header.boot_id[0] = static_cast<uint8_t>(~header.boot_id[0]);
  return seal();
}

LockPage& LockPage::of_another_pid_namespace() {
  ++header.pid_namespace;
  return seal();
}

LockPage& LockPage::with_page_size(uint32_t size) {
  header.unit_size = size;
  header.word_offset = word_offset_in(size);
  file_size = size;
  return seal();
}

LockPage& LockPage::seal() {
  const shmutex::Header edited = header;
  shmutex::TidScope world{};
  memcpy(world.boot_id, edited.boot_id, sizeof world.boot_id);
  world.pid_namespace = edited.pid_namespace;
  header = shmutex::make_header(shmutex::Placement::file, world, edited.unit_size, edited.word_offset,
                                edited.futex_offset, edited.attributes);
  header.validity = edited.validity;
  header.version = edited.version;
  return *this;
}

std::string LockPage::bytes() const {
  std::string content(file_size, '\0');
  memcpy(content.data(), &header, sizeof header);
  memcpy(content.data() + file_size - sizeof line, &line, sizeof line);
  return content;
}

void LockPage::write(const std::string& path) const {
  const std::string content = bytes();
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  EXPECT_GE(fd, 0) << path;
  EXPECT_EQ(pwrite(fd, content.data(), content.size(), 0), static_cast<ssize_t>(content.size()));
  EXPECT_EQ(ftruncate(fd, static_cast<off_t>(content.size())), 0);
  close(fd);
}

uint32_t dead_tid() {
  for (uint32_t tid = 4'000'000; tid > 1; --tid) {
    if (kill(static_cast<pid_t>(tid), 0) != 0 && errno == ESRCH) return tid;
  }
  throw std::runtime_error("every TID is in use");
}

}  // namespace support
