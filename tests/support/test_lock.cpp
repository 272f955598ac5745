#include "support/test_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>

namespace support {

using support::Child;

TestLock::TestLock(Kind kind) : kind_(kind) {
  if (kind.in_buffer) {
    descriptor_ = memfd_create("shmutex-test", 0);
    if (descriptor_ < 0 || ftruncate(descriptor_, 4096) != 0) throw std::runtime_error("memfd_create failed");
    memory_ = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_, 0);
  } else {
    directory_ = std::make_unique<support::TempDir>();
  }
  const int error = kind.in_buffer ? shmutex_init(memory_, 4096, kind.attributes) : 0;
  if (error != 0) throw std::runtime_error(shmutex_error_detail());
  handle_ = open();
  if (handle_ == nullptr) throw std::runtime_error(shmutex_error_detail());
  if (!kind.in_buffer) {
    descriptor_ = ::open(address().c_str(), O_RDWR | O_CLOEXEC);
    memory_ = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_, 0);
  }
  if (memory_ == MAP_FAILED) throw std::runtime_error("mmap failed");
}

TestLock::~TestLock() {
  if (handle_ != nullptr) {
    EXPECT_EQ(shmutex_close(handle_), 0) << shmutex_error_detail();
  }
  munmap(memory_, 4096);
  ::close(descriptor_);
}

shmutex_t* TestLock::open() const {
  shmutex_t* out = nullptr;
  const int error = kind_.in_buffer ? shmutex_attach(&out, memory_, 4096, kind_.attributes)
                                    : shmutex_open(&out, address().c_str(), kind_.attributes, 0);
  EXPECT_EQ(error, 0) << shmutex_error_detail();
  return out;
}

std::string TestLock::address() const { return kind_.in_buffer ? std::to_string(descriptor_) : *directory_ / "lock"; }

uint32_t* TestLock::word() const {
  // The last four bytes of a lock file's page; of the line behind the header in memory.
  const auto end_of_line = kind_.in_buffer ? 128 + 64 : sysconf(_SC_PAGESIZE);
  return reinterpret_cast<uint32_t*>(static_cast<char*>(memory_) + end_of_line) - 1;
}

shmutex_info_t info_of(const shmutex_t* m) {
  shmutex_info_t info{};
  info.size = sizeof info;
  EXPECT_EQ(shmutex_info(m, &info), 0);
  return info;
}

int pass_through(shmutex_t* m) {
  const int result = shmutex_lock(m);
  if (result == EOWNERDEAD) {
    EXPECT_EQ(shmutex_consistent(m), 0);
  }
  if (result == 0 || result == EOWNERDEAD) {
    EXPECT_EQ(shmutex_unlock(m), 0);
  }
  return result;
}

int expectations_status() { return testing::Test::HasFailure() ? 1 : 0; }

void wait_until_asleep(pid_t tid) {
  support::wait_until([tid] { return support::thread_state(tid) == 'S'; });
}

void wait_until_stopped(pid_t pid) {
  support::wait_until([pid] {
    const char state = support::thread_state(pid);
    return state == 'T' || state == 'Z';
  });
}

void wait_until_zombie(pid_t pid) {
  siginfo_t info{};
  while (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
  }
}

Holder::Holder(shmutex_t* m, int depth)
    : child_([this, m, depth] {
        for (int i = 0; i < depth; ++i) EXPECT_EQ(shmutex_lock(m), 0);
        held_->raise();
        release_->wait();
        for (int i = 0; i < depth; ++i) EXPECT_EQ(shmutex_unlock(m), 0);
        return expectations_status();
      }) {
  held_->wait();
}

int Holder::finish() {
  let_go();
  return child_.wait();
}

}  // namespace support
