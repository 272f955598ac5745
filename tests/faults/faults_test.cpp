// Every system call of every operation fails once, with each of some errors: the operation succeeds or reports that
// error, leaks nothing, leaves nothing behind, and the same operation works the next time.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <shmutex/shmutex.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "hostile/footprint.h"
#include "injector.h"
#include "support/sandbox.h"
#include "support/support.h"
#include "system_calls.h"

namespace {

using support::Child;

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  DIR* const d = opendir(directory.c_str());
  while (const dirent* entry = readdir(d)) {
    if (entry->d_name[0] != '.' || strlen(entry->d_name) > 2) names.emplace_back(entry->d_name);
  }
  closedir(d);
  return names;
}

const int errors[] = {EIO,    ENOMEM, ENOSPC, EDQUOT, EMFILE, EACCES,    EPERM,
                      EAGAIN, EINTR,  ENOLCK, ENOSYS, EINVAL, EOPNOTSUPP};

struct Operation {
  const char* name;
  enum class Process { used_it_before, first_use } process;
  enum class Files { unnamed, named } files;  // named: the file system knows no O_TMPFILE
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
  unsigned char header[128];
  if (pread(fd, header, sizeof header, 0) != sizeof header) _exit(72);
  header[8] ^= 1;
  unsigned char summed[88];
  memcpy(summed, header, sizeof summed);
  memset(summed + 24, 0, 4);
  uint64_t hash = 0xcbf29ce484222325;
  for (const unsigned char byte : summed) hash = (hash ^ byte) * 0x100000001b3;
  memcpy(header + 88, &hash, sizeof hash);
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

// Open, and its owner a thread that ended holding it: close asks the kernel whether that one lives.
shmutex_t* open_lock = nullptr;

void leave_open_and_owned_by_the_dead(const std::string& path) {
  if (shmutex_open(&open_lock, path.c_str(), 0, 0) != 0) _exit(74);
  std::thread([] {
    if (shmutex_lock(open_lock) != 0) _exit(75);
  }).join();
}

int do_close(const std::string&, shmutex_t**) { return shmutex_close(open_lock); }

alignas(SHMUTEX_ALIGN) unsigned char memory[SHMUTEX_SIZE];

int do_init(const std::string&, shmutex_t**) { return shmutex_init(memory, sizeof memory, 0); }

int do_attach(const std::string&, shmutex_t** left_open) {
  memset(memory, 0, sizeof memory);
  return shmutex_attach(left_open, memory, sizeof memory, SHMUTEX_INIT_ONCE);
}

using Process = Operation::Process;
using Files = Operation::Files;
const Operation operations[] = {
    {"create", Process::used_it_before, Files::unnamed, nothing, do_open},
    {"create by a temporary name", Process::used_it_before, Files::named, nothing, do_open},
    {"attach", Process::used_it_before, Files::unnamed, make_lock, do_open},
    {"take over", Process::used_it_before, Files::unnamed, make_stale_lock, do_open},
    {"unlink", Process::used_it_before, Files::unnamed, make_lock, do_unlink},
    {"inspect", Process::used_it_before, Files::unnamed, make_lock, do_inspect},
    {"close", Process::used_it_before, Files::unnamed, leave_open_and_owned_by_the_dead, do_close},
    {"first use create", Process::first_use, Files::unnamed, nothing, do_open},
    {"first use attach", Process::first_use, Files::unnamed, make_lock, do_open},
    {"first use inspect", Process::first_use, Files::unnamed, make_lock, do_inspect},
    {"first use init", Process::first_use, Files::unnamed, nothing, do_init},
    {"first use attach memory", Process::first_use, Files::unnamed, nothing, do_attach},
};

// The error is reported as it is, with these exceptions.
bool is_right(int result, int error, int number) {
  if (result == 0 || result == error) return true;
  switch (result) {
    case ENOMEM:
      return number == SYS_mmap;  // whatever the kernel says of it
    // What a robust lock needs is missing; /proc does not tell which TID scope this is.
    case ENOSYS:
      return number == SYS_get_robust_list || number == SYS_madvise || number == SYS_openat || number == SYS_read ||
             number == SYS_newfstatat;
    case EBADMSG:
      return number == SYS_pread64 && error == EIO;  // the file is shorter than it was just now
    // EACCES is how some systems spell that another process has the file's lock, which here is EAGAIN, and EBUSY in the
    // end.
    case EAGAIN: return number == SYS_fcntl && error == EACCES;
    case EBUSY: return error == EAGAIN || (number == SYS_fcntl && error == EACCES);
    default: return false;
  }
}

void run_undisturbed(const Operation& operation, const std::string& path) {
  operation.prepare(path);
  shmutex_t* m = nullptr;
  if (operation.run(path, &m) != 0 || (m != nullptr && shmutex_close(m) != 0)) _exit(76);
  unlink(path.c_str());
}

// In a child that is the operation's alone. Exit status 0: fine; 100: there is no k-th call any more.
int one_round(const Operation& operation, int k, int error) {
  return Child([&] {
           const support::TempDir dir;
           const std::string path = dir / "lock";
           const bool first_use = operation.process == Process::first_use;
           if (operation.files == Files::named && !support::forbid_unnamed_files()) return 70;
           if (first_use) Child([&] { return operation.prepare(path), 0; }).wait();
           Injector injector(file_calls);
           if (!first_use) {
             for (int i = 0; i < 2; ++i) run_undisturbed(operation, path);
           }
           footprint::Watch watch;
           if (!first_use) operation.prepare(path);

           shmutex_t* m = nullptr;
           injector.fail_nth(k, error);
           const int result = operation.run(path, &m);
           injector.disarm();
           const int injected = injector.injected();
           const int number = injector.last_injected();
           const auto complain = [&](const char* what) {
             fprintf(stderr, "%s: system call %d (number %d of the operation) failed with %s, result %d: %s\n",
                     operation.name, number, k, strerror(error), result, what);
             return 1;
           };
           if (injected != 0 && !is_right(result, error, number)) return complain("another error");
           if (result != 0 && *shmutex_error_detail() == '\0') return complain("no detail");
           if (result != 0 && m != nullptr) return complain("a handle beside an error");
           if (m != nullptr) {
             if (shmutex_lock(m) != 0 || shmutex_unlock(m) != 0)
               return complain("the lock that was opened does not work");
             if (shmutex_close(m) != 0) return complain("the lock that was opened cannot be closed");
           }
           // A page that stays from the first use on.
           if (first_use ? watch.grown_by_more_than(1, 4096) : result == 0 && watch.leaked_something()) {
             return complain("leaked");
           }
           // And once more, undisturbed.
           if (operation.run == do_open || result != 0) {
             const int again = operation.run(path, &m);
             if (again != 0) return complain(shmutex_error_detail());
             if (m != nullptr && (shmutex_lock(m) != 0 || shmutex_unlock(m) != 0 || shmutex_close(m) != 0)) {
               return complain("the second one does not work");
             }
           }
           if (first_use ? watch.grown_by_more_than(1, 4096) : watch.leaked_something()) return complain("leaked");
           // A temporary name that could not be removed is one more name of the lock. The next creator removes it.
           const bool could_not_remove = operation.files == Files::named && result == 0;
           if (could_not_remove && names_in(dir.path()).size() == 2) {
             if (shmutex_unlink(path.c_str(), 0) != 0 || do_open(path, &m) != 0 || shmutex_close(m) != 0) {
               return complain("nor can it be created again");
             }
           }
           for (const std::string& name : names_in(dir.path())) {
             if (name != "lock") return complain(("left behind: " + name).c_str());
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
      if (status == 100) break;
      EXPECT_EQ(0, status);
      ++rounds;
      ASSERT_LT(k, 200);
    }
    EXPECT_GT(k, 1) << "no system call was seen";
  }
  printf("%s: faults injected %d\n", GetParam().name, rounds);
}

INSTANTIATE_TEST_SUITE_P(Operations, Faults, testing::ValuesIn(operations), [](const auto& instance) {
  std::string name = instance.param.name;
  for (char& c : name) c = c == ' ' ? '_' : c;
  return name;
});

// In doubt the owner lives: its list leads through the mapping.
TEST(Close, OfALockThatALivingThreadHoldsIsRefusedWhateverTheKernelSays) {
  for (const int error : {EPERM, EACCES, ENOSYS, EIO, ENOMEM}) {
    for (int k = 1; k <= 4; ++k) {  // tgkill, and what /proc is asked
      const support::TempDir dir;
      Child child([&] {
        shmutex_t* m = nullptr;
        if (shmutex_open(&m, (dir / "lock").c_str(), 0, 0) != 0) return 1;
        support::Flag held;
        support::Flag let_go;
        std::thread owner([&] {
          if (shmutex_lock(m) != 0) _exit(2);
          held.raise();
          let_go.wait();
          if (shmutex_unlock(m) != 0) _exit(3);
        });
        held.wait();
        Injector injector({SYS_tgkill, SYS_readlinkat, SYS_openat, SYS_read});
        injector.fail_nth(k, error);
        if (const int result = shmutex_close(m); result != EBUSY) {
          fprintf(stderr, "system call %d failed with %s: close returned %d\n", injector.last_injected(),
                  strerror(error), result);
          return 4;
        }
        injector.disarm();
        let_go.raise();
        owner.join();
        return shmutex_close(m);
      });
      EXPECT_EQ(0, child.wait());
    }
  }
}

}  // namespace
