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

shmutex::TidScope this_tid_scope() {
  shmutex::TidScope scope{};
  std::string digits;
  for (const char c : content_of("/proc/sys/kernel/random/boot_id")) {
    if (isxdigit(static_cast<unsigned char>(c)) != 0) digits += c;
  }
  for (size_t i = 0; i < sizeof scope.boot_id; ++i) {
    scope.boot_id[i] = static_cast<uint8_t>(std::stoul(digits.substr(2 * i, 2), nullptr, 16));
  }
  scope.pid_namespace = inode_of("/proc/self/ns/pid");
  return scope;
}

uint32_t page_size() { return static_cast<uint32_t>(sysconf(_SC_PAGESIZE)); }

uint16_t word_offset_in(uint32_t page) {
  return static_cast<uint16_t>(page - (sizeof(shmutex::SharedLine) - offsetof(shmutex::SharedLine, word)));
}

}  // namespace

LockPage::LockPage() : file_size(page_size()) {
  header = shmutex::make_header(shmutex::Placement::file, this_tid_scope(),
                                {.kind = shmutex::kind_number::mutex,
                                 .pages = 1,
                                 .must_understand = 0,
                                 .may_ignore = 0,
                                 .attributes = 0,
                                 .unit_size = page_size(),
                                 .word_offset = word_offset_in(page_size()),
                                 .futex_offset = static_cast<int16_t>(-shmutex::node_distance),
                                 .device = 0,
                                 .inode = 0});
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
  shmutex::seal(header);
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
