// Every system call of every operation fails once, with each of some errors: the operation succeeds or says why not, leaks
// nothing, leaves nothing behind, and the same operation works the next time.
#include "injector.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/futex.h>
#include <shmutex/shmutex.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>

#include "support/support.h"

namespace {

using support::Child;

// All that open, close, unlink, attach and inspect use, but close and munmap: those do what they are asked for.
const std::vector<int> file_calls = {
    SYS_openat,    SYS_fstat,    SYS_newfstatat, SYS_fstatfs,  SYS_pread64, SYS_pwrite64, SYS_fallocate,       SYS_ftruncate,
    SYS_fchmod,    SYS_fdatasync, SYS_fcntl,     SYS_linkat,   SYS_unlinkat, SYS_mmap,    SYS_readlinkat,      SYS_getcwd,
    SYS_madvise,   SYS_get_robust_list, SYS_tgkill, SYS_clock_nanosleep, SYS_read};

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  DIR* const d = opendir(directory.c_str());
  while (const dirent* entry = readdir(d)) {
    if (entry->d_name[0] != '.' || strlen(entry->d_name) > 2) names.emplace_back(entry->d_name);
  }
  closedir(d);
  return names;
}

int descriptors() { return static_cast<int>(names_in("/proc/self/fd").size()); }

int mappings_of(const std::string& path) {
  std::ifstream maps("/proc/self/maps");
  int count = 0;
  for (std::string line; std::getline(maps, line);) count += line.find(path) != std::string::npos ? 1 : 0;
  return count;
}

const int errors[] = {EIO, ENOMEM, ENOSPC, EMFILE, EACCES, EPERM, EINTR, ENOSYS, EOPNOTSUPP, EINVAL};

struct Operation {
  const char* name;
  void (*prepare)(const std::string& path);
  int (*run)(const std::string& path, shmutex_t** left_open);
};

void nothing(const std::string&) {}

void make_lock(const std::string& path) {
  shmutex_t* m = nullptr;
  if (shmutex_open(&m, path.c_str(), 0, 0) != 0 || shmutex_close(m) != 0) _exit(71);
}

// Another boot's: the boot id's first byte changed, and the checksum with it (FNV-1a, as the format has it).
void make_stale_lock(const std::string& path) {
  make_lock(path);
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  unsigned char header[64];
  if (pread(fd, header, sizeof header, 0) != sizeof header) _exit(72);
  header[8] ^= 1;
  unsigned char summed[56];
  memcpy(summed, header, sizeof summed);
  memset(summed + 24, 0, 4);
  uint64_t hash = 0xcbf29ce484222325;
  for (const unsigned char byte : summed) hash = (hash ^ byte) * 0x100000001b3;
  memcpy(header + 56, &hash, sizeof hash);
  if (pwrite(fd, header, sizeof header, 0) != sizeof header) _exit(73);
  close(fd);
}

int do_open(const std::string& path, shmutex_t** left_open) { return shmutex_open(left_open, path.c_str(), 0, 0); }

int do_unlink(const std::string& path, shmutex_t**) { return shmutex_unlink(path.c_str(), 0); }

int do_inspect(const std::string& path, shmutex_t**) {
  shmutex_info_t info{};
  info.size = sizeof info;
  return shmutex_inspect(path.c_str(), &info);
}

const Operation operations[] = {{"create", nothing, do_open},
                                {"attach", make_lock, do_open},
                                {"take over", make_stale_lock, do_open},
                                {"unlink", make_lock, do_unlink},
                                {"inspect", make_lock, do_inspect}};

// In a child that is the operation's alone. Returns how many calls were seen, or exits.
int one_round(const Operation& operation, int k, int error) {
  return Child([&] {
           const support::TempDir dir;
           const std::string path = dir / "lock";
           make_lock(dir / "first");  // what a process does once is not what is tested here
           Injector injector(file_calls);
           operation.prepare(path);
           const int before = descriptors();
           shmutex_t* m = nullptr;
           injector.fail_nth(k, error);
           const int result = operation.run(path, &m);
           injector.disarm();
           const int injected = injector.injected();
           const int number = injector.last_injected();
           const auto complain = [&](const char* what) {
             fprintf(stderr, "%s: system call %d (number %d of the operation) failed with %s, result %d: %s\n", operation.name,
                     number, k, strerror(error), result, what);
             return 1;
           };
           if (result < 0) return complain("a negative result");
           if (result != 0 && *shmutex_error_detail() == '\0') return complain("no detail");
           if (result != 0 && m != nullptr) return complain("a handle beside an error");
           if (m != nullptr) {
             if (shmutex_lock(m) != 0 || shmutex_unlock(m) != 0) return complain("the lock that was opened does not work");
             if (shmutex_close(m) != 0) return complain("the lock that was opened cannot be closed");
           }
           if (descriptors() != before) return complain("a descriptor leaked");
           if (mappings_of(path) != 0) return complain("a mapping leaked");
           // And once more, undisturbed.
           if (operation.run == do_open || result != 0) {
             const int again = operation.run(path, &m);
             if (again != 0) return complain(shmutex_error_detail());
             if (m != nullptr && (shmutex_lock(m) != 0 || shmutex_unlock(m) != 0 || shmutex_close(m) != 0)) {
               return complain("the second one does not work");
             }
           }
           for (const std::string& name : names_in(dir.path())) {
             if (name != "lock" && name != "first") return complain(("left behind: " + name).c_str());
           }
           return injected == 0 ? 100 : 0;
         })
      .wait();
}

class Faults : public testing::TestWithParam<Operation> {};

TEST_P(Faults, OfEverySystemCall) {
  int rounds = 0;
  for (const int error : errors) {
    int k = 1;
    for (;; ++k) {
      const int status = one_round(GetParam(), k, error);
      if (status == 100) break;  // no k-th call any more
      ASSERT_EQ(0, status);
      ++rounds;
      ASSERT_LT(k, 200);
    }
    EXPECT_GT(k, 3) << "hardly a system call was seen";
  }
  printf("%s: %d faults injected\n", GetParam().name, rounds);
}

INSTANTIATE_TEST_SUITE_P(Operations, Faults, testing::ValuesIn(operations), [](const auto& instance) {
  std::string name = instance.param.name;
  std::erase(name, ' ');
  return name;
});

// ---- futexes

constexpr uint64_t operation_mask = 0x7f;  // without FUTEX_CLOCK_REALTIME

int wait_with_answer(unsigned attributes, int operation, int error, int64_t value, int times, int64_t timeout_ns,
                     bool owner_lets_go) {
  return Child([&] {
           const support::TempDir dir;
           shmutex_t* m = nullptr;
           if (shmutex_open(&m, (dir / "lock").c_str(), attributes, 0) != 0) return 200;
           support::Shared<std::array<support::Flag, 2>> flags;
           Child owner([&] {
             if (shmutex_lock(m) != 0) return 1;
             (*flags)[0].raise();
             (*flags)[1].wait();
             return shmutex_unlock(m);
           });
           (*flags)[0].wait();
           Injector injector({SYS_futex});
           injector.answer(SYS_futex, operation_mask, static_cast<uint64_t>(operation), error, value, times);
           std::thread release([&] {
             if (!owner_lets_go) return;
             support::wait_until([&] { return injector.injected() == times; });
             (*flags)[1].raise();
           });
           const int result = shmutex_timedlock(m, timeout_ns);
           injector.disarm();
           release.join();
           if (result == 0 && shmutex_unlock(m) != 0) return 201;
           (*flags)[1].raise();
           if (owner.wait() != 0) return 202;
           // Nothing is left pending or linked: the lock goes on working.
           if (shmutex_lock(m) != 0 || shmutex_unlock(m) != 0 || shmutex_close(m) != 0) return 203;
           return result;
         })
      .wait();
}

TEST(FutexFaults, AnErrorEndsTheWait) {
  for (const int error : {ENOSYS, EFAULT, EPERM, ENOMEM, EACCES}) {
    const int result = wait_with_answer(0, FUTEX_WAIT_BITSET, error, 0, 1, -1, false);
    EXPECT_EQ(error, result) << strerror(error);
  }
}

TEST(FutexFaults, SpuriousWakesDoNotGiveTheLock) {
  EXPECT_EQ(0, wait_with_answer(0, FUTEX_WAIT_BITSET, 0, 0, 1000, -1, true));
  EXPECT_EQ(0, wait_with_answer(0, FUTEX_WAIT_BITSET, EAGAIN, 0, 1000, -1, true));
  EXPECT_EQ(0, wait_with_answer(0, FUTEX_WAIT_BITSET, EINTR, 0, 1000, -1, true));
  EXPECT_EQ(ETIMEDOUT, wait_with_answer(0, FUTEX_WAIT_BITSET, 0, 0, 100, 100 * support::millisecond, false));
}

TEST(FutexFaults, FairWaitsEndWithTheError) {
  for (const int error : {ENOSYS, EFAULT, ENOMEM, EACCES}) {
    EXPECT_EQ(error, wait_with_answer(SHMUTEX_FAIR, FUTEX_LOCK_PI, error, 0, 1, -1, false)) << strerror(error);
  }
}

TEST(FutexFaults, FairWaitsOutliveForgedOwners) {
  for (const int error : {ESRCH, EPERM, EINVAL, EAGAIN}) {
    EXPECT_EQ(0, wait_with_answer(SHMUTEX_FAIR, FUTEX_LOCK_PI, error, 0, 5, -1, true)) << strerror(error);
  }
}

}  // namespace
