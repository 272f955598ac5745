#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/syscall.h"

namespace shmutex::file {
namespace {

// Not in linux/magic.h everywhere.
constexpr int64_t ext_magic = 0xEF53;
constexpr int64_t xfs_magic = 0x58465342;
constexpr int64_t zfs_magic = 0x2FC12FC1;
constexpr int64_t f2fs_magic = 0xF2F52010;
constexpr int64_t tmpfs_magic = 0x01021994;

constexpr long first_other = 3;  // the lowest descriptor that is no standard stream

bool is_standard(long fd) { return fd >= 0 && fd < first_other; }

int adopt(int fd, Descriptor& out) {
  if (fd < 0) return fd;
  out.reset(fd);
  return 0;
}

// Whether this process may write up to that byte (RLIMIT_FSIZE). Asked first: the kernel would send SIGXFSZ as well.
bool may_write_up_to(uint64_t end) {
  struct rlimit limit {};
  return raw_syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, as_arg(&limit)) != 0 || end <= limit.rlim_cur;
}

// The directory part of a path, into a buffer.
bool directory_of(const char* path, char* out, size_t size) {
  const char* const slash = strrchr(path, '/');
  if (slash == nullptr) return snprintf(out, size, ".") > 0;
  const auto length = static_cast<size_t>(slash == path ? 1 : slash - path);
  if (length >= size) return false;
  memcpy(out, path, length);
  out[length] = '\0';
  return true;
}

// The administrator's setting; where it cannot be read, the usual one.
int protected_regular() {
  Descriptor fd;
  char digit = '1';
  if (adopt(open_descriptor("/proc/sys/fs/protected_regular", O_RDONLY), fd) == 0) {
    read_at(fd.get(), &digit, 1, 0);
  }
  return digit - '0';
}

struct flock lock_description(off_t byte, OfdLock kind) {
  struct flock description {};
  description.l_type = kind == OfdLock::none ? F_UNLCK : kind == OfdLock::shared ? F_RDLCK : F_WRLCK;
  description.l_whence = SEEK_SET;
  description.l_start = byte;
  description.l_len = 1;
  return description;
}

}  // namespace

StandardStreamsOccupied::StandardStreamsOccupied() {
  for (int i = 0; i < first_other; ++i) {
    if (raw_syscall(SYS_fcntl, i, F_GETFD) != -EBADF) continue;
    const long fd = raw_syscall(SYS_openat, AT_FDCWD, as_arg("/"), O_PATH | O_CLOEXEC);
    if (is_standard(fd)) {
      occupied_[fd] = true;
    } else if (fd >= 0) {
      raw_syscall(SYS_close, fd);
    }
  }
}

StandardStreamsOccupied::~StandardStreamsOccupied() {
  for (int i = 0; i < first_other; ++i) {
    if (occupied_[i]) raw_syscall(SYS_close, i);
  }
}

int open_descriptor(const char* path, int flags, unsigned mode) {
  const StandardStreamsOccupied guard;
  long fd = 0;
  do {
    fd = raw_syscall(SYS_openat, AT_FDCWD, as_arg(path), flags | O_CLOEXEC, static_cast<long>(mode));
  } while (fd == -EINTR);
  if (!is_standard(fd)) return static_cast<int>(fd);
  // Another thread has closed it meanwhile.
  const long moved = raw_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, first_other);
  raw_syscall(SYS_close, fd);
  return static_cast<int>(moved);
}

void Descriptor::reset(int fd) {
  if (fd_ >= 0) raw_syscall(SYS_close, fd_);
  fd_ = fd;
}

int open_existing(const char* path, bool writable, Descriptor& out) {
  return adopt(open_descriptor(path, (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0), out);
}

int status(int fd, struct stat& out) { return static_cast<int>(raw_syscall(SYS_fstat, fd, as_arg(&out))); }

int status_of_name(const char* path, struct stat& out) {
  return static_cast<int>(raw_syscall(SYS_newfstatat, AT_FDCWD, as_arg(path), as_arg(&out), AT_SYMLINK_NOFOLLOW));
}

bool may_be_planted(const char* path, const struct stat& status) {
  char directory[4096];
  struct stat parent {};
  if (!directory_of(path, directory, sizeof directory) ||
      raw_syscall(SYS_newfstatat, AT_FDCWD, as_arg(directory), as_arg(&parent), 0) != 0 ||
      (parent.st_mode & S_ISVTX) == 0 || status.st_uid == parent.st_uid) {
    return false;
  }
  const auto fsuid = static_cast<uid_t>(raw_syscall(SYS_setfsuid, -1));  // of no user: only tells
  if (status.st_uid == fsuid) return false;
  const int level = protected_regular();
  return (level >= 1 && (parent.st_mode & S_IWOTH) != 0) || (level >= 2 && (parent.st_mode & S_IWGRP) != 0);
}

bool is_same(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

int file_system_type(int fd, int64_t& type) {
  struct statfs found {};
  const int error = static_cast<int>(raw_syscall(SYS_fstatfs, fd, as_arg(&found)));
  type = static_cast<int64_t>(found.f_type) & UINT32_MAX;
  return error;
}

int file_system_type_beside(const char* path, int64_t& type) {
  char directory[4096];
  if (!directory_of(path, directory, sizeof directory)) return -ENAMETOOLONG;
  struct statfs found {};
  const int error = static_cast<int>(raw_syscall(SYS_statfs, as_arg(directory), as_arg(&found)));
  type = static_cast<int64_t>(found.f_type) & UINT32_MAX;
  return error;
}

bool is_supported(int64_t type) {
  switch (type) {
    case tmpfs_magic:
    case ext_magic:
    case xfs_magic:
    case f2fs_magic:
    case zfs_magic:
    case overlayfs: return true;
    default: return false;
  }
}

int read_at(int fd, void* buffer, size_t size, off_t offset) {
  const long done = raw_syscall(SYS_pread64, fd, as_arg(buffer), static_cast<long>(size), offset);
  if (done < 0) return static_cast<int>(done);
  return static_cast<size_t>(done) == size ? 0 : -EIO;
}

bool read_text(const char* path, char* out, size_t size) {
  const Descriptor fd(open_descriptor(path, O_RDONLY));
  if (fd.get() < 0) return false;
  const long length = raw_syscall(SYS_read, fd.get(), as_arg(out), static_cast<long>(size - 1));
  if (length <= 0) return false;
  out[length] = '\0';
  return true;
}

int write_at(int fd, const void* buffer, size_t size, off_t offset) {
  if (!may_write_up_to(static_cast<uint64_t>(offset) + size)) return -EFBIG;
  const long done = raw_syscall(SYS_pwrite64, fd, as_arg(buffer), static_cast<long>(size), offset);
  if (done < 0) return static_cast<int>(done);
  return static_cast<size_t>(done) == size ? 0 : -ENOSPC;
}

int flush(int fd) { return static_cast<int>(raw_syscall(SYS_fdatasync, fd)); }

int reserve(int fd, size_t size) {
  if (!may_write_up_to(size)) return -EFBIG;
  long error = 0;
  do {
    error = raw_syscall(SYS_fallocate, fd, 0, 0, static_cast<long>(size));
  } while (error == -EINTR);
  return error == -EOPNOTSUPP ? 0 : static_cast<int>(error);
}

int set_size(int fd, size_t size) {
  if (!may_write_up_to(size)) return -EFBIG;
  return static_cast<int>(raw_syscall(SYS_ftruncate, fd, static_cast<long>(size)));
}

int touch(int fd) { return static_cast<int>(raw_syscall(SYS_utimensat, fd, 0, 0, 0)); }

int set_mode(int fd, unsigned mode) { return static_cast<int>(raw_syscall(SYS_fchmod, fd, static_cast<long>(mode))); }

int open_unnamed(const char* path, Descriptor& out) {
  char directory[4096];
  if (!directory_of(path, directory, sizeof directory)) return -ENAMETOOLONG;
  const int fd = open_descriptor(directory, O_TMPFILE | O_RDWR, 0600);
  // Kernels and file systems that do not know O_TMPFILE see an attempt to open a directory for writing.
  if (fd == -EISDIR || fd == -EINVAL) return -EOPNOTSUPP;
  return adopt(fd, out);
}

int open_exclusively(const char* path, Descriptor& out) {
  return adopt(open_descriptor(path, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, 0600), out);
}

int give_name(int fd, const char* path) {
  // AT_EMPTY_PATH would need CAP_DAC_READ_SEARCH before Linux 6.10. Not /proc/self: that is the main thread, which may
  // have ended, or have another table of descriptors.
  char self[40];
  snprintf(self, sizeof self, "/proc/thread-self/fd/%d", fd);
  const long error = raw_syscall(SYS_linkat, AT_FDCWD, as_arg(self), AT_FDCWD, as_arg(path), AT_SYMLINK_FOLLOW);
  struct stat status {};
  const bool no_proc =
      error == -ENOENT && raw_syscall(SYS_newfstatat, AT_FDCWD, as_arg(self), as_arg(&status), 0) == -ENOENT;
  return no_proc ? -ENOSYS : static_cast<int>(error);
}

int may_remove_name(const char* path) {
  // rmdir(2) of a file says ENOTDIR, after the kernel has asked for everything that unlink(2) needs.
  const long error = raw_syscall(SYS_unlinkat, AT_FDCWD, as_arg(path), AT_REMOVEDIR);
  if (error == 0) return -EISDIR;
  if (error == -EACCES) {
    // A security module may forbid the one and allow the other.
    char directory[4096];
    if (!directory_of(path, directory, sizeof directory)) return -ENAMETOOLONG;
    const long refused = raw_syscall(SYS_faccessat2, AT_FDCWD, as_arg(directory), W_OK | X_OK, AT_EACCESS);
    return refused == -EACCES ? -EACCES : 0;
  }
  if (error != -ENOTDIR) return static_cast<int>(error);
  struct statx found {};
  const bool mounted =
      raw_syscall(SYS_statx, AT_FDCWD, as_arg(path), AT_SYMLINK_NOFOLLOW, STATX_TYPE, as_arg(&found)) == 0 &&
      (found.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
  return mounted ? -EBUSY : 0;
}

int remove_name(const char* path) { return static_cast<int>(raw_syscall(SYS_unlinkat, AT_FDCWD, as_arg(path), 0)); }

int mark(int fd, off_t position) {
  const long result = raw_syscall(SYS_lseek, fd, position, SEEK_SET);
  return result < 0 ? static_cast<int>(result) : 0;
}

bool is_marked(int fd, off_t position, dev_t device, ino_t inode) {
  struct stat found {};
  return status(fd, found) == 0 && found.st_dev == device && found.st_ino == inode &&
         raw_syscall(SYS_lseek, fd, 0, SEEK_CUR) == position;
}

int ofd_lock(int fd, off_t byte, OfdLock kind) {
  struct flock description = lock_description(byte, kind);
  const long error = raw_syscall(SYS_fcntl, fd, F_OFD_SETLK, as_arg(&description));
  return error == -EACCES ? -EAGAIN : static_cast<int>(error);
}

int query_ofd_lock(int fd, off_t byte, OfdLock& out) {
  struct flock description = lock_description(byte, OfdLock::exclusive);
  const long error = raw_syscall(SYS_fcntl, fd, F_OFD_GETLK, as_arg(&description));
  out = description.l_type == F_UNLCK   ? OfdLock::none
        : description.l_type == F_RDLCK ? OfdLock::shared
                                        : OfdLock::exclusive;
  return static_cast<int>(error);
}

int ofd_lock_until(int fd, off_t byte, OfdLock kind, int64_t deadline_ns) {
  int64_t pause = millisecond / 4;
  for (;;) {
    const int error = ofd_lock(fd, byte, kind);
    const int64_t now = now_ns();
    if (error != -EAGAIN || now >= deadline_ns) return error;
    sleep_until(now + pause < deadline_ns ? now + pause : deadline_ns);
    if (pause < 20 * millisecond) pause *= 2;
  }
}

int ExclusiveOfdLock::acquire(int fd, off_t byte, int64_t deadline_ns) {
  const int error = ofd_lock_until(fd, byte, OfdLock::exclusive, deadline_ns);
  if (error != 0) return error;
  fd_ = fd;
  byte_ = byte;
  return 0;
}

ExclusiveOfdLock::~ExclusiveOfdLock() {
  if (fd_ >= 0) ofd_lock(fd_, byte_, OfdLock::none);
}

}  // namespace shmutex::file
