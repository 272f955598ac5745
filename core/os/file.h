// Files, as far as lock files need them. Functions return 0 or more, or -errno.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace shmutex::file {

// Owns a file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    reset(other.release());
    return *this;
  }
  int get() const { return fd_; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

// Keeps those of the descriptors 0, 1 and 2 that are closed occupied while it lives, by what can be neither read nor
// written: so a file that is opened meanwhile is never taken for a standard stream.
class StandardStreamsOccupied {
 public:
  StandardStreamsOccupied();
  ~StandardStreamsOccupied();
  StandardStreamsOccupied(const StandardStreamsOccupied&) = delete;
  StandardStreamsOccupied& operator=(const StandardStreamsOccupied&) = delete;

 private:
  bool occupied_[3] = {};
};

// openat(2), close-on-exec, never 0, 1 or 2; the descriptor or -errno.
int open_descriptor(const char* path, int flags, unsigned mode = 0);

// The last component is not followed if it is a symbolic link; opening never blocks and never makes a terminal ours.
int open_existing(const char* path, bool writable, Descriptor& out);
int status(int fd, struct stat& out);
int status_of_name(const char* path, struct stat& out);  // of the link itself, if it is one
bool is_same(const struct stat& a, const struct stat& b);

// The kernel's rule for open(2) with O_CREAT (fs.protected_regular, proc_sys_fs(5)): in a sticky directory that others
// may write to, a file of another user than the directory's owner may have been planted.
bool may_be_planted(const char* path, const struct stat& status);

// Whether processes of other machines, or nobody's kernel, may be behind the file system.
int file_system_type(int fd, int64_t& type);
int file_system_type_beside(const char* path, int64_t& type);  // of the directory that path is in
bool is_supported(int64_t type);
inline constexpr int64_t overlayfs = 0x794C7630;
inline constexpr int64_t btrfs = 0x9123683E;
inline constexpr int64_t ramfs = 0x858458f6;

int read_at(int fd, void* buffer, size_t size, off_t offset);  // -EIO when shorter
bool read_text(const char* path, char* out, size_t size);      // of a small file; cut off, and ends with a null
int flush(int fd);                                             // to the disk, if there is one
// These say -EFBIG where RLIMIT_FSIZE would have the kernel send SIGXFSZ, too.
int write_at(int fd, const void* buffer, size_t size, off_t offset);  // -ENOSPC when cut short
int reserve(int fd, size_t size);  // disk space; 0 where the file system knows no such thing
int set_size(int fd, size_t size);

int set_mode(int fd, unsigned mode);
int touch(int fd);  // its times are now, which tells a cleaner that it is in use

// A file without a name in the directory of path; -EOPNOTSUPP where the file system has none.
int open_unnamed(const char* path, Descriptor& out);
int open_exclusively(const char* path, Descriptor& out);
int give_name(int fd, const char* path);  // to an unnamed file, or one more; -EEXIST
int may_remove_name(const char* path);    // whether the next would be allowed, for a file; changes nothing
int remove_name(const char* path);

// Makes an open file known again, should its descriptor's number have been given to another: by its position, which
// nobody uses or changes.
int mark(int fd, off_t position);
bool is_marked(int fd, off_t position, dev_t device, ino_t inode);

// Open-file-description locks on one byte of a file: they belong to the description, and a mapping made from it keeps
// it alive (on most file systems) after the descriptor is closed. fcntl(2), F_OFD_SETLK.
enum class OfdLock : uint8_t { none, shared, exclusive };
int ofd_lock(int fd, off_t byte, OfdLock kind);        // -EAGAIN: another open file has it
int query_ofd_lock(int fd, off_t byte, OfdLock& out);  // what others have, seen from this description
int ofd_lock_until(int fd, off_t byte, OfdLock kind, int64_t deadline_ns);  // polls until then

// An exclusive one for as long as this lives, which must be shorter than the descriptor. It is released in so many
// words: a child that was forked meanwhile has the open file, too, and would keep the lock.
class ExclusiveOfdLock {
 public:
  ExclusiveOfdLock() = default;
  ~ExclusiveOfdLock();
  ExclusiveOfdLock(const ExclusiveOfdLock&) = delete;
  ExclusiveOfdLock& operator=(const ExclusiveOfdLock&) = delete;
  int acquire(int fd, off_t byte, int64_t deadline_ns);

 private:
  int fd_ = -1;
  off_t byte_ = 0;
};

}  // namespace shmutex::file
