// Where there are no unnamed files (O_TMPFILE), a lock is made under a temporary name beside its own. In a directory
// where every user may create, another user may have planted something there.
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <shmutex/shmutex.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>

#include "footprint.h"
#include "support/sandbox.h"
#include "support/support.h"

namespace {

using support::Child;

constexpr uid_t nobody = 65534;
constexpr uid_t mallory = 65533;
const std::string precious_text(4096, 'x');

bool become(uid_t user) { return setgid(user) == 0 && setuid(user) == 0; }

// As core/object/create.cpp makes it: one name for all creations of `base` by one user. With a wrong name, all
// would succeed.
std::string temporary_name(const std::string& directory, const std::string& base, uid_t user) {
  uint64_t hash = 0xcbf2'9ce4'8422'2325 ^ user;
  for (const char c : base) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100'0000'01b3;
  char name[64];
  snprintf(name, sizeof name, "/.shmutex-%016llx", static_cast<unsigned long long>(hash));
  return directory + name;
}

struct Planted {
  const char* name;
  bool (*plant)(const std::string& at, const std::string& precious);
  int result;  // of the victim's open
};

bool plant_link(const std::string& at, const std::string& precious) {
  return symlink(precious.c_str(), at.c_str()) == 0;
}
bool plant_dangling_link(const std::string& at, const std::string& precious) {
  return symlink((precious + ".none").c_str(), at.c_str()) == 0;
}
bool plant_directory(const std::string& at, const std::string&) { return mkdir(at.c_str(), 0755) == 0; }
bool plant_fifo(const std::string& at, const std::string&) {
  return mkfifo(at.c_str(), 0600) == 0 && chmod(at.c_str(), 0666) == 0;
}
bool plant_file(const std::string& at, mode_t mode) {
  std::ofstream(at) << precious_text;
  return chmod(at.c_str(), mode) == 0;
}
bool plant_private_file(const std::string& at, const std::string&) { return plant_file(at, 0600); }
bool plant_open_file(const std::string& at, const std::string&) { return plant_file(at, 0666); }
// A lock of the planter's: complete, so that it looks like the leftover of a creator that was killed.
bool plant_lock(const std::string& at, const std::string&) {
  shmutex_t* m = nullptr;
  return shmutex_open(&m, at.c_str(), 0, 0666) == 0 && shmutex_close(m) == 0;
}

const Planted all_planted[] = {
    {"link", plant_link, ELOOP}, {"dangling_link", plant_dangling_link, ELOOP}, {"directory", plant_directory, EISDIR},
    {"fifo", plant_fifo, EPERM}, {"private_file", plant_private_file, EACCES},  {"open_file", plant_open_file, EPERM},
    {"lock", plant_lock, EPERM},
};

class PlantedNames : public testing::TestWithParam<Planted> {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root, to become other users";
    ASSERT_EQ(0, chmod(dir_.path().c_str(), 01777));
    std::ofstream(precious_) << precious_text;
    ASSERT_EQ(0, chmod(precious_.c_str(), 0666));
  }

  // Opens the lock as the user, often, and looks for leaks. Returns what open returned; 200: something is wrong.
  int open_as(uid_t user) const {
    return Child([&] {
             if (!become(user) || !support::forbid_unnamed_files()) return 200;
             shmutex_t* m = nullptr;
             const int result = shmutex_open(&m, lock_.c_str(), 0, 0666);
             if (result == 0) return shmutex_lock(m) == 0 && shmutex_unlock(m) == 0 && shmutex_close(m) == 0 ? 0 : 200;
             if (*shmutex_error_detail() == '\0') return 200;
             if (shmutex_open(&m, lock_.c_str(), 0, 0666) != result) return 200;
             footprint::Watch watch;
             for (int i = 0; i < 20; ++i) {
               if (shmutex_open(&m, lock_.c_str(), 0, 0666) != result || m != nullptr) return 200;
             }
             return watch.leaked_something() ? 200 : result;
           })
        .wait();
  }

  bool nothing_was_harmed() const {
    std::ifstream file(precious_, std::ios::binary);
    const std::string now(std::istreambuf_iterator<char>(file), {});
    return now == precious_text && access((precious_ + ".none").c_str(), F_OK) != 0;
  }

  support::TempDir dir_;
  const std::string lock_ = dir_ / "lock";
  const std::string precious_ = dir_ / "precious";
  const std::string planted_ = temporary_name(dir_.path(), "lock", nobody);
};

// By another user: the victim may not remove it, and says so.
TEST_P(PlantedNames, ByAnotherUserAreAnErrorAndNoMore) {
  ASSERT_EQ(0, Child([&] { return become(mallory) && GetParam().plant(planted_, precious_) ? 0 : 1; }).wait());
  EXPECT_EQ(GetParam().result, open_as(nobody));
  EXPECT_TRUE(nothing_was_harmed());
  EXPECT_NE(0, access(lock_.c_str(), F_OK)) << "half a lock was made";
  // Others are not kept from creating it: each user has a name of its own.
  EXPECT_EQ(0, open_as(1));
  EXPECT_EQ(0, open_as(nobody));
  EXPECT_TRUE(nothing_was_harmed());
}

// In the way of root, which may remove files of others, but never follows a link.
TEST_P(PlantedNames, DoNotLeadRootAstray) {
  const std::string planted = temporary_name(dir_.path(), "lock", 0);
  ASSERT_EQ(0, Child([&] { return become(mallory) && GetParam().plant(planted, precious_) ? 0 : 1; }).wait());
  const bool removable = GetParam().result == EPERM || GetParam().result == EACCES;
  EXPECT_EQ(removable ? 0 : GetParam().result, open_as(0));
  EXPECT_TRUE(nothing_was_harmed());
  if (!removable) {
    std::filesystem::remove_all(planted);
    EXPECT_EQ(0, open_as(0));
  }
  EXPECT_NE(0, access(planted.c_str(), F_OK));
  EXPECT_EQ(0, access(lock_.c_str(), F_OK));
}

INSTANTIATE_TEST_SUITE_P(All, PlantedNames, testing::ValuesIn(all_planted),
                         [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
