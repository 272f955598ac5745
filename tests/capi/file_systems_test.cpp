// File systems: full ones, unsuitable ones, overlays, and life without /proc.
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "hostile/footprint.h"
#include "support/calls.h"
#include "support/lock_page.h"
#include "support/namespaces.h"
#include "support/other_boot.h"
#include "support/support.h"

namespace {

using support::Child;
using support::Handle;
using support::LockPage;

// Each test runs in a child with mounts of its own; what it expects, the child's exit status tells.
class FileSystems : public testing::Test {
 protected:
  void SetUp() override {
    SKIP_WITHOUT_NAMESPACES();
    ASSERT_EQ(mkdir(mount_.c_str(), 0700), 0);
  }

  void in_mount_namespace(const std::function<int()>& body) {
    Child child([&] {
      CHILD_REQUIRE(support::enter_mount_namespace());
      return body();
    });
    EXPECT_EQ(child.wait(), 0);
  }

  // The state of the file system matters, not which error stands first: an error, and nothing left.
  static int expect_not_supported(const std::string& directory) {
    const std::string path = directory + "/lock";
    shmutex_t* m = nullptr;
    const int result = CALL(shmutex_open(&m, path.c_str(), 0, 0));
    if (result != ENOTSUP) fprintf(stderr, "%s: %d, %s\n", directory.c_str(), result, shmutex_error_detail());
    const bool empty = support::names_in(directory).empty();
    if (!empty) fprintf(stderr, "%s: something was left\n", directory.c_str());
    return result == ENOTSUP && empty && !HasFailure() ? 0 : 1;
  }

  support::TempDir directory_;
  const std::string mount_ = directory_ / "mount";
};

TEST_F(FileSystems, FullTmpfsIsNoticedAtOpenAndNothingIsLeft) {
  in_mount_namespace([&] {
    CHILD_REQUIRE(support::mount_new("tmpfs", mount_, "size=64k"));
    const std::string ballast = mount_ + "/ballast";
    const int fd = open(ballast.c_str(), O_CREAT | O_WRONLY, 0600);
    const std::string chunk(4096, 'x');
    while (write(fd, chunk.data(), chunk.size()) > 0) {
    }
    close(fd);
    for (int i = 0; i < 2; ++i) CHILD_REQUIRE(Handle(mount_ + "/lock").error() == ENOSPC);
    footprint::Watch watch;
    for (int i = 0; i < 100; ++i) CHILD_REQUIRE(Handle(mount_ + "/lock").error() == ENOSPC);
    CHILD_REQUIRE(!watch.leaked_something());
    CHILD_REQUIRE(support::names_in(mount_).size() == 1);
    CHILD_REQUIRE(unlink(ballast.c_str()) == 0);
    const Handle lock(mount_ + "/lock");
    CHILD_REQUIRE(lock.error() == 0 && shmutex_lock(lock) == 0);
    return 0;
  });
}

// A user whose quota is used up; root has none.
TEST_F(FileSystems, QuotaIsNoticedAtOpenAndNothingIsLeft) {
  const auto mount_with_quota = [&] {
    return support::enter_mount_namespace() &&
           support::mount_new("tmpfs", mount_, "mode=1777,usrquota,usrquota_block_hardlimit=8k");
  };
  if (Child([&] { return mount_with_quota() ? 0 : 1; }).wait() != 0) {
    GTEST_SKIP() << "this kernel's tmpfs has no quota (CONFIG_TMPFS_QUOTA)";
  }
  ASSERT_EQ(chmod(directory_.path().c_str(), 0755), 0);
  ASSERT_EQ(chmod(mount_.c_str(), 0755), 0);
  Child child([&] {
    CHILD_REQUIRE(mount_with_quota());
    CHILD_REQUIRE(setgid(65534) == 0 && setuid(65534) == 0);
    const Handle first(mount_ + "/first");
    CHILD_REQUIRE(first.error() == 0);
    support::write_content(mount_ + "/ballast", std::string(4096, 'x'));
    for (int i = 0; i < 2; ++i) CHILD_REQUIRE(Handle(mount_ + "/lock").error() == EDQUOT);
    footprint::Watch watch;
    for (int i = 0; i < 100; ++i) CHILD_REQUIRE(Handle(mount_ + "/lock").error() == EDQUOT);
    CHILD_REQUIRE(!watch.leaked_something());
    CHILD_REQUIRE(support::names_in(mount_).size() == 2);
    CHILD_REQUIRE(shmutex_lock(first) == 0 && shmutex_unlock(first) == 0);
    CHILD_REQUIRE(unlink((mount_ + "/ballast").c_str()) == 0);
    CHILD_REQUIRE(Handle(mount_ + "/lock").error() == 0);
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(FileSystems, TmpfsOutOfInodesIsNoticedAtOpen) {
  in_mount_namespace([&] {
    CHILD_REQUIRE(support::mount_new("tmpfs", mount_, "nr_inodes=2"));
    CHILD_REQUIRE(Handle(mount_ + "/first").error() == 0);
    CHILD_REQUIRE(Handle(mount_ + "/second").error() == ENOSPC);
    CHILD_REQUIRE(support::names_in(mount_).size() == 1);
    return 0;
  });
}

TEST_F(FileSystems, LockOnATmpfsFilledLaterGoesOn) {
  in_mount_namespace([&] {
    CHILD_REQUIRE(support::mount_new("tmpfs", mount_, "size=64k"));
    const Handle lock(mount_ + "/lock");
    const int fd = open((mount_ + "/ballast").c_str(), O_CREAT | O_WRONLY, 0600);
    const std::string chunk(4096, 'x');
    while (write(fd, chunk.data(), chunk.size()) > 0) {
    }
    close(fd);
    CHILD_REQUIRE(shmutex_lock(lock) == 0 && shmutex_unlock(lock) == 0);
    CHILD_REQUIRE(Handle(mount_ + "/lock").error() == 0);
    CHILD_REQUIRE(shmutex_unlink((mount_ + "/lock").c_str(), 0) == 0);
    return 0;
  });
}

TEST_F(FileSystems, ReadOnlyFileSystem) {
  in_mount_namespace([&] {
    CHILD_REQUIRE(support::mount_new("tmpfs", mount_));
    CHILD_REQUIRE(Handle(mount_ + "/lock").error() == 0);
    CHILD_REQUIRE(mount(nullptr, mount_.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0);
    CHILD_REQUIRE(Handle(mount_ + "/new").error() == EROFS);
    CHILD_REQUIRE(Handle(mount_ + "/lock").error() == EROFS);
    CHILD_REQUIRE(shmutex_unlink((mount_ + "/lock").c_str(), 0) == EROFS);
    CHILD_REQUIRE(support::inspect(mount_ + "/lock").state == SHMUTEX_STATE_FREE);
    return 0;
  });
}

TEST_F(FileSystems, RamfsIsRefusedAndNothingIsLeft) {
  in_mount_namespace([&] {
    CHILD_REQUIRE(support::mount_new("ramfs", mount_));
    return expect_not_supported(mount_);
  });
}

TEST_F(FileSystems, ExistingLockOnRamfsIsRefusedAndStays) {
  in_mount_namespace([&] {
    CHILD_REQUIRE(support::mount_new("ramfs", mount_));
    LockPage().write(mount_ + "/lock");
    CHILD_REQUIRE(Handle(mount_ + "/lock").error() == ENOTSUP);
    CHILD_REQUIRE(shmutex_unlink((mount_ + "/lock").c_str(), 0) == ENOTSUP);
    CHILD_REQUIRE(support::names_in(mount_).size() == 1);
    return 0;
  });
}

// On a full one, the first write to a page that has gone to the disk would end the process by SIGBUS.
TEST_F(FileSystems, BtrfsIsRefusedAndNothingIsLeft) {
  const std::string image = directory_ / "image";
  const std::string make = "truncate -s 128M " + image + " && mkfs.btrfs -q " + image + " >/dev/null 2>&1";
  const std::string mount = "mount -t btrfs -o loop " + image + " " + mount_ + " 2>/dev/null";
  if (system((make + " && unshare -m sh -c '" + mount + "'").c_str()) != 0) {
    GTEST_SKIP() << "no btrfs-progs, no btrfs in this kernel, or no loop device";
  }
  in_mount_namespace([&] {
    CHILD_REQUIRE(system(mount.c_str()) == 0);
    CHILD_REQUIRE(expect_not_supported(mount_) == 0);
    LockPage().write(mount_ + "/lock");
    CHILD_REQUIRE(Handle(mount_ + "/lock").error() == ENOTSUP);
    CHILD_REQUIRE(support::names_in(mount_).size() == 1);
    return 0;
  });
}

TEST_F(FileSystems, HugetlbfsIsRefusedAndNothingIsLeft) {
  bool known = true;
  {
    Child child([&] { return support::enter_mount_namespace() && support::mount_new("hugetlbfs", mount_) ? 0 : 1; });
    known = child.wait() == 0;
  }
  if (!known) GTEST_SKIP() << "this kernel has no hugetlbfs";
  in_mount_namespace([&] {
    CHILD_REQUIRE(support::mount_new("hugetlbfs", mount_));
    return expect_not_supported(mount_);
  });
}

TEST_F(FileSystems, ProcIsRefused) {
  EXPECT_EQ(CALL(Handle("/proc/self/comm").error()), ENOTSUP);
  EXPECT_EQ(CALL(shmutex_unlink("/proc/self/comm", 0)), ENOTSUP);
  EXPECT_NE(CALL(Handle("/proc/lock").error()), 0);
}

// An overlay's mapping does not keep the description of the file that was opened.
class Overlay : public FileSystems {
 protected:
  bool mount_overlay() {
    for (const char* name : {"lower", "upper", "work"}) {
      if (mkdir((base_ + "/" + name).c_str(), 0700) != 0) return false;
    }
    return support::mount_new(
        "overlay", mount_,
        ("lowerdir=" + base_ + "/lower,upperdir=" + base_ + "/upper,workdir=" + base_ + "/work").c_str());
  }

  const std::string base_ = directory_.path();
};

TEST_F(Overlay, LockIsOneForAllAndItsUsersAreSeen) {
  in_mount_namespace([&] {
    CHILD_REQUIRE(mount_overlay());
    const std::string path = mount_ + "/lock";
    const Handle lock(path);
    CHILD_REQUIRE(lock.error() == 0 && shmutex_lock(lock) == 0);
    Child other([&] {
      const Handle its(path);
      CHILD_REQUIRE(shmutex_trylock(its) == EBUSY);
      return 0;
    });
    CHILD_REQUIRE(other.wait() == 0);
    // The live-user lock, seen by a process without the library.
    const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
    struct flock probe {};
    probe.l_type = F_WRLCK;
    probe.l_whence = SEEK_SET;
    probe.l_len = 1;
    CHILD_REQUIRE(fcntl(fd, F_OFD_GETLK, &probe) == 0 && probe.l_type == F_RDLCK);
    close(fd);
    return 0;
  });
}

TEST_F(Overlay, ManyOpensAndClosesLeakNoDescriptor) {
  in_mount_namespace([&] {
    CHILD_REQUIRE(mount_overlay());
    const std::string path = mount_ + "/lock";
    CHILD_REQUIRE(Handle(path).error() == 0);
    const size_t descriptors = support::open_descriptors();
    const size_t mappings = support::mappings();
    for (int i = 0; i < 1000; ++i) CHILD_REQUIRE(Handle(path).error() == 0);
    CHILD_REQUIRE(support::open_descriptors() == descriptors);
    CHILD_REQUIRE(support::mappings() == mappings);
    return 0;
  });
}

// The numbers of a file there must be the same for its creator and for those who open it later.
TEST_F(Overlay, LockIsNotTakenForACopyOfItself) {
  in_mount_namespace([&] {
    CHILD_REQUIRE(mount_overlay());
    const std::string path = mount_ + "/lock";
    uint64_t token = 0;
    for (int i = 0; i < 3; ++i) {
      const Handle lock(path);
      CHILD_REQUIRE(shmutex_lock(lock) == 0);
      CHILD_REQUIRE(i == 0 || shmutex_token(lock) == token + 1);
      token = shmutex_token(lock);
    }
    return 0;
  });
}

// As daemons do when they begin.
void close_all_descriptors(int first = 0) {
  for (int fd = first; fd < 1024; ++fd) close(fd);
}

// How the users' byte is locked, asked by a process that is not the library.
int users_lock(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  struct flock probe {};
  probe.l_type = F_WRLCK;
  probe.l_whence = SEEK_SET;
  probe.l_len = 1;
  const int result = fcntl(fd, F_OFD_GETLK, &probe);
  close(fd);
  return result == 0 ? probe.l_type : -1;
}

TEST_F(Overlay, DescriptorsThatAreKeptAreNoStandardStreams) {
  in_mount_namespace([&] {
    CHILD_REQUIRE(mount_overlay());
    for (int fd = 0; fd < 3; ++fd) close(fd);
    std::deque<Handle> locks;
    for (int i = 0; i < 5; ++i) locks.emplace_back(mount_ + "/" + std::to_string(i));
    for (int fd = 0; fd < 3; ++fd) CHILD_REQUIRE(fcntl(fd, F_GETFD) == -1);
    for (const Handle& lock : locks) CHILD_REQUIRE(shmutex_lock(lock) == 0);
    return 0;
  });
}

TEST_F(Overlay, DescriptorsThatAreKeptAreClosedByExec) {
  in_mount_namespace([&] {
    CHILD_REQUIRE(mount_overlay());
    const Handle lock(mount_ + "/lock");
    for (int fd = 3; fd < 100; ++fd) {
      const int flags = fcntl(fd, F_GETFD);
      struct stat status {};
      if (flags < 0 || fstat(fd, &status) != 0 || status.st_ino != support::inode_of(mount_ + "/lock")) continue;
      CHILD_REQUIRE((flags & FD_CLOEXEC) != 0);
      return 0;
    }
    return 1;
  });
}

TEST_F(Overlay, ProgramThatClosesEveryDescriptorLosesNeitherItsFilesNorTheLock) {
  for (const bool close_in_a_child : {false, true}) {
    in_mount_namespace([&] {
      if (!close_in_a_child) CHILD_REQUIRE(mount_overlay());
      if (close_in_a_child) {
        CHILD_REQUIRE(support::mount_new(
            "overlay", mount_,
            ("lowerdir=" + base_ + "/lower,upperdir=" + base_ + "/upper,workdir=" + base_ + "/work").c_str()));
      }
      const std::string path = mount_ + "/lock";
      Handle lock(path);
      if (close_in_a_child) {
        const pid_t parent = getpid();
        const pid_t daemon = fork();
        if (daemon != 0) _exit(support::wait_for(daemon));
        CHILD_REQUIRE(getpid() != parent);
      }
      close_all_descriptors();
      int files[8];
      for (int i = 0; i < 8; ++i) {
        // Of the lock's own file, too: it is not ours all the same.
        const std::string name = i % 2 == 0 ? path : mount_ + "/file" + std::to_string(i);
        files[i] = open(name.c_str(), O_CREAT | O_RDWR, 0600);
      }
      CHILD_REQUIRE(shmutex_lock(lock) == 0 && shmutex_unlock(lock) == 0);
      lock.close();
      for (const int fd : files) CHILD_REQUIRE(fcntl(fd, F_GETFD) >= 0);
      CHILD_REQUIRE(write(files[1], "x", 1) == 1);
      return 0;
    });
  }
}

TEST_F(Overlay, UsersLockIsTakenAgainWhenItsDescriptorHasGone) {
  in_mount_namespace([&] {
    CHILD_REQUIRE(mount_overlay());
    const std::string path = mount_ + "/lock";
    const Handle lock(path);
    const Handle other(mount_ + "/other");
    const auto wait_for_it = [&] {
      CHILD_REQUIRE(shmutex_lock(lock) == 0);
      std::thread([&] { shmutex_timedlock(lock, 1); }).join();
      return shmutex_unlock(lock);
    };
    const std::function<int()> ways[] = {
        wait_for_it,
        [&] { return Handle(path).error(); },
        [&] { return support::info_of(lock).state == SHMUTEX_STATE_FREE ? 0 : 1; },
    };
    for (const auto& notice : ways) {
      close_all_descriptors();
      CHILD_REQUIRE(users_lock(path) == F_UNLCK);
      CHILD_REQUIRE(notice() == 0);
      CHILD_REQUIRE(users_lock(path) == F_RDLCK);
    }
    return 0;
  });
}

TEST_F(Overlay, UsersLockThatCannotBeTakenAgainIsNotLostInSilence) {
  in_mount_namespace([&] {
    CHILD_REQUIRE(mount_overlay());
    const std::string path = mount_ + "/lock";
    const Handle lock(path);
    CHILD_REQUIRE(shmutex_lock(lock) == 0);
    close_all_descriptors();
    CHILD_REQUIRE(rename(path.c_str(), (mount_ + "/elsewhere").c_str()) == 0);
    int result = 0;
    std::string detail;
    std::thread([&] {
      result = shmutex_timedlock(lock, 1);
      detail = shmutex_error_detail();
    }).join();
    CHILD_REQUIRE(result == EBADF);
    CHILD_REQUIRE(detail.find("closed the descriptor") != std::string::npos);
    CHILD_REQUIRE(shmutex_unlock(lock) == 0);
    return 0;
  });
}

TEST_F(Overlay, LockThatOthersTookOverMeanwhileIsRefused) {
  in_mount_namespace([&] {
    CHILD_REQUIRE(mount_overlay());
    const std::string path = mount_ + "/lock";
    const Handle lock(path);
    close_all_descriptors(3);
    support::OtherBoot other(directory_.path(), path);
    CHILD_REQUIRE(other.go_and_see() == 0);
    CHILD_REQUIRE(shmutex_timedlock(lock, 1) == EXDEV);
    CHILD_REQUIRE(Handle(path).error() == EXDEV);
    return 0;
  });
}

TEST_F(Overlay, TooManyDescriptorsSayWhy) {
  in_mount_namespace([&] {
    CHILD_REQUIRE(mount_overlay());
    const rlimit limit{40, 40};
    CHILD_REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    std::deque<Handle> locks;
    do {
      locks.emplace_back(mount_ + "/" + std::to_string(locks.size()));
    } while (locks.back().error() == 0);
    CHILD_REQUIRE(locks.back().error() == EMFILE);
    CHILD_REQUIRE(std::string(shmutex_error_detail()).find("each open lock keeps one") != std::string::npos);
    return 0;
  });
}

TEST_F(Overlay, OtherWorldIsRefusedWhileSomebodyLivesAndTakenOverAfter) {
  in_mount_namespace([&] {
    CHILD_REQUIRE(mount_overlay());
    const std::string path = mount_ + "/lock";
    support::OtherBoot other(directory_.path(), path);
    CHILD_REQUIRE(other.go_and_see() == 0);
    CHILD_REQUIRE(Handle(path).error() == EXDEV);
    other.kill();
    const Handle lock(path);
    CHILD_REQUIRE(lock.error() == 0 && shmutex_lock(lock) == EOWNERDEAD);
    return 0;
  });
}

TEST_F(Overlay, LockOfTheLowerLayerIsUsedAndRemoved) {
  in_mount_namespace([&] {
    CHILD_REQUIRE(mkdir((base_ + "/lower").c_str(), 0700) == 0);
    LockPage().write(base_ + "/lower/lock");
    CHILD_REQUIRE(mkdir((base_ + "/upper").c_str(), 0700) == 0 && mkdir((base_ + "/work").c_str(), 0700) == 0);
    CHILD_REQUIRE(support::mount_new(
        "overlay", mount_,
        ("lowerdir=" + base_ + "/lower,upperdir=" + base_ + "/upper,workdir=" + base_ + "/work").c_str()));
    const std::string path = mount_ + "/lock";
    const Handle first(path);
    const Handle second(path);
    CHILD_REQUIRE(first.error() == 0 && second.error() == 0);
    CHILD_REQUIRE(shmutex_lock(first) == 0 && shmutex_is_owned(second) == 1 && shmutex_unlock(second) == 0);
    CHILD_REQUIRE(shmutex_unlink(path.c_str(), 0) == 0);
    CHILD_REQUIRE(shmutex_lock(first) == EIDRM);
    CHILD_REQUIRE(support::names_in(mount_).empty());
    return 0;
  });
}

TEST_F(FileSystems, MissingProcIsReportedAndNothingIsCreated) {
  const std::string path = directory_ / "lock";
  Child child([&] {
    CHILD_REQUIRE(support::enter_mount_namespace() && support::mount_new("tmpfs", "/proc"));
    execl(OPEN_ONCE, OPEN_ONCE, path.c_str(), nullptr);
    return 1;
  });
  EXPECT_EQ(child.wait(), ENOSYS);
  EXPECT_EQ(support::inode_of(path), 0u);
}

// In a process that knows its TID scope already: it needs /proc only to create a lock.
TEST_F(FileSystems, ProcThatGoesMissingLaterKeepsNobodyFromLocksThatExist) {
  const std::string existing = directory_ / "existing";
  const std::string path = directory_ / "lock";
  Child child([&] {
    for (int i = 0; i < 2; ++i) CHILD_REQUIRE(Handle(existing).error() == 0);
    footprint::Watch watch;
    CHILD_REQUIRE(support::enter_mount_namespace() && support::mount_new("tmpfs", "/proc"));
    for (int i = 0; i < 100; ++i) {
      CHILD_REQUIRE(Handle(path).error() == ENOSYS);
      const Handle lock(existing);
      CHILD_REQUIRE(lock.error() == 0 && shmutex_lock(lock) == 0);
    }
    CHILD_REQUIRE(!watch.leaked_something());
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(support::inode_of(path), 0u);
}

// ProcSubset=pid of systemd.
TEST_F(FileSystems, ProcThatHidesTheBootIdIsReportedAndNothingIsCreated) {
  const std::string path = directory_ / "lock";
  const std::string said = directory_ / "said";
  Child child([&] {
    CHILD_REQUIRE(support::enter_mount_namespace());
    CHILD_REQUIRE(mount("proc", "/proc", "proc", 0, "subset=pid") == 0);
    const int fd = open(said.c_str(), O_CREAT | O_WRONLY, 0600);
    dup2(fd, STDERR_FILENO);
    dup2(fd, STDOUT_FILENO);
    execl(OPEN_ONCE, OPEN_ONCE, path.c_str(), nullptr);
    return 1;
  });
  EXPECT_EQ(child.wait(), ENOSYS);
  EXPECT_EQ(support::inode_of(path), 0u);
  EXPECT_NE(support::content_of(said).find("ProcSubset=all"), std::string::npos) << support::content_of(said);
}

// A sandbox that lets a program read its own files, and none of /proc.
int forbid_to_read_proc(const std::vector<std::string>& readable) {
  const landlock_ruleset_attr attributes{.handled_access_fs = LANDLOCK_ACCESS_FS_READ_FILE};
  const long rules = syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
  if (rules < 0) return 77;
  for (const std::string& directory : readable) {
    const int fd = open(directory.c_str(), O_PATH | O_CLOEXEC);
    if (fd < 0) continue;  // not every distribution has all of them
    const landlock_path_beneath_attr rule{.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE, .parent_fd = fd};
    CHILD_REQUIRE(syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0);
  }
  CHILD_REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  return syscall(SYS_landlock_restrict_self, rules, 0) == 0 ? 0 : 77;
}

TEST_F(FileSystems, ProcThatASandboxForbidsIsReportedAndNothingIsCreated) {
  const std::string path = directory_ / "lock";
  const std::string said = directory_ / "said";
  const std::string program = OPEN_ONCE;
  Child child([&] {
    const int fd = open(said.c_str(), O_CREAT | O_WRONLY, 0600);
    dup2(fd, STDERR_FILENO);
    dup2(fd, STDOUT_FILENO);
    const std::string build = program.substr(0, program.rfind("/tests/"));
    const int error = forbid_to_read_proc({"/usr", "/lib", "/lib64", "/etc", build, directory_.path()});
    if (error != 0) return error;
    execl(OPEN_ONCE, OPEN_ONCE, path.c_str(), nullptr);
    return 1;
  });
  const int status = child.wait();
  if (status == 77) GTEST_SKIP() << "no Landlock in this kernel";
  EXPECT_EQ(status, ENOSYS);
  EXPECT_EQ(support::inode_of(path), 0u);
  EXPECT_NE(support::content_of(said).find("Landlock"), std::string::npos) << support::content_of(said);
}

TEST_F(FileSystems, MissingBootIdIsReported) {
  const std::string path = directory_ / "lock";
  Child child([&] {
    CHILD_REQUIRE(support::enter_mount_namespace() &&
                  support::mount_over("/dev/null", "/proc/sys/kernel/random/boot_id"));
    execl(OPEN_ONCE, OPEN_ONCE, path.c_str(), nullptr);
    return 1;
  });
  EXPECT_EQ(child.wait(), ENOSYS);
  EXPECT_EQ(support::inode_of(path), 0u);
}

TEST_F(FileSystems, LocksOnADiskWork) {
  const support::TempDir disk("/var/tmp");
  const Handle lock(disk / "lock");
  struct statfs found {};
  ASSERT_EQ(statfs(disk.path().c_str(), &found), 0);
  ASSERT_EQ(lock.error(), 0) << std::hex << found.f_type << " " << shmutex_error_detail();
  EXPECT_EQ(shmutex_lock(lock), 0);
  EXPECT_EQ(shmutex_unlock(lock), 0);
  EXPECT_EQ(shmutex_unlink((disk / "lock").c_str(), 0), 0);
}

}  // namespace
