// What the path leads to is swapped between any two system calls of an open or a removal.
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <shmutex/shmutex.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "hostile/footprint.h"
#include "injector.h"
#include "support/support.h"
#include "system_calls.h"

namespace {

using support::Child;

const std::string precious_text(4096, 'x');

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

ino_t inode_of(const std::string& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

// The inode of what is mapped at an address of this process.
ino_t inode_mapped_at(const void* address) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0;
    unsigned long end = 0;
    unsigned long inode = 0;
    if (sscanf(line.c_str(), "%lx-%lx %*s %*s %*s %lu", &begin, &end, &inode) != 3) continue;
    const auto at = reinterpret_cast<unsigned long>(address);
    if (begin <= at && at < end) return inode;
  }
  return 0;
}

// What is put in the lock's place. The spare is made before, so that the swap is one rename.
struct Swap {
  const char* name;
  bool (*make)(const std::string& spare, const std::string& precious);
};

bool make_link(const std::string& spare, const std::string& precious) {
  return symlink(precious.c_str(), spare.c_str()) == 0;
}
bool make_fifo(const std::string& spare, const std::string&) { return mkfifo(spare.c_str(), 0600) == 0; }
bool make_directory(const std::string& spare, const std::string&) { return mkdir(spare.c_str(), 0700) == 0; }
bool make_other_file(const std::string& spare, const std::string& precious) {
  return link(precious.c_str(), spare.c_str()) == 0;
}
bool make_other_lock(const std::string& spare, const std::string&) {
  shmutex_t* m = nullptr;
  return shmutex_open(&m, spare.c_str(), 0, 0) == 0 && shmutex_close(m) == 0;
}
bool make_nothing(const std::string&, const std::string&) { return true; }

const Swap swaps[] = {{"link", make_link},
                      {"fifo", make_fifo},
                      {"directory", make_directory},
                      {"other file", make_other_file},
                      {"other lock", make_other_lock},
                      {"nothing", make_nothing}};

struct Operation {
  const char* name;
  bool exists;
  unsigned flags;
  bool removes;
};
const Operation operations[] = {{"create", false, 0, false},
                                {"attach", true, 0, false},
                                {"must exist", true, SHMUTEX_MUST_EXIST, false},
                                {"must create", false, SHMUTEX_MUST_CREATE, false},
                                {"unlink", true, 0, true}};

bool is_documented(const Operation& operation, int result) {
  std::vector<int> documented{0, EINVAL, ELOOP, EBADMSG};
  if ((operation.flags & SHMUTEX_MUST_EXIST) != 0 || operation.removes) documented.push_back(ENOENT);
  if ((operation.flags & SHMUTEX_MUST_CREATE) != 0) documented.push_back(EEXIST);
  // unlink(2) of what has just become a directory.
  if (operation.removes) documented.push_back(EISDIR);
  return std::find(documented.begin(), documented.end(), result) != documented.end();
}

// Exit status 0: fine; 100: the operation has no k-th system call.
int swapped_before(const Operation& operation, const Swap& swap, int k) {
  return Child([&] {
           const support::TempDir dir;
           const std::string path = dir / "lock";
           const std::string spare = dir / "spare";
           const std::string precious = dir / "precious";
           std::ofstream(precious) << precious_text;
           shmutex_t* m = nullptr;
           for (int i = 0; i < 2; ++i) {
             if (shmutex_open(&m, path.c_str(), 0, 0) != 0 || shmutex_close(m) != 0) return 70;
           }
           const ino_t before = inode_of(path);
           if (!operation.exists) unlink(path.c_str());
           if (!swap.make(spare, precious)) return 71;
           Injector injector(file_calls);
           footprint::Watch watch;
           injector.run_before_nth(k, [&] {
             unlink(path.c_str());
             rename(spare.c_str(), path.c_str());
           });
           const int result =
               operation.removes ? shmutex_unlink(path.c_str(), 0) : shmutex_open(&m, path.c_str(), operation.flags, 0);
           injector.disarm();
           const auto complain = [&](const char* what) {
             fprintf(stderr, "%s: a %s came before system call %d, number %d: result %d: %s\n", operation.name,
                     swap.name, injector.last_injected(), k, result, what);
             return 1;
           };
           if (!is_documented(operation, result)) return complain("not documented");
           if (content_of(precious) != precious_text) return complain("what was put there was written to");
           if (result == 0 && !operation.removes) {
             // What was there before, or is there now; or what was created, whose name the swap took away at once.
             const ino_t mapped = inode_mapped_at(m);
             if (mapped == inode_of(precious)) return complain("opened what is no lock");
             const bool created = !operation.exists && mapped != 0;
             if (mapped != before && mapped != inode_of(path) && !created)
               return complain("opened what never was there");
             if (shmutex_lock(m) != 0 || shmutex_unlock(m) != 0 || shmutex_close(m) != 0)
               return complain("does not work");
           }
           if (watch.leaked_something()) return complain("leaked");
           return injector.injected() == 0 ? 100 : 0;
         })
      .wait();
}

class Swapped : public testing::TestWithParam<Operation> {};

TEST_P(Swapped, BeforeEverySystemCall) {
  int swaps_done = 0;
  for (const Swap& swap : swaps) {
    int k = 1;
    for (;; ++k) {
      const int status = swapped_before(GetParam(), swap, k);
      if (status == 100) break;
      EXPECT_EQ(0, status);
      ++swaps_done;
      ASSERT_LT(k, 200);
    }
    EXPECT_GT(k, 3) << "hardly a system call was seen";
  }
  printf("%s: swaps %d\n", GetParam().name, swaps_done);
}

INSTANTIATE_TEST_SUITE_P(Operations, Swapped, testing::ValuesIn(operations), [](const auto& instance) {
  std::string name = instance.param.name;
  for (char& c : name) c = c == ' ' ? '_' : c;
  return name;
});

}  // namespace
