#include "object/lock_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "error/failure.h"
#include "mutex/mutex.h"
#include "object/header.h"
#include "os/clock.h"
#include "os/syscall.h"
#include "process/process.h"
#include "process/registry.h"

namespace shmutex {
namespace {

using file::Descriptor;
using file::OfdLock;

constexpr off_t names_byte = 1;  // exclusive: the right to remove a name of the file, after a look that it still is one
constexpr off_t scratch_bytes = off_t{1} << 40;
constexpr int64_t takeover_timeout = 10 * second;
constexpr int again = -1;  // the name has changed under us

void absolute_path(const char* path, char* out, size_t size) {
  out[0] = '\0';
  if (path[0] != '/') {
    const long length = raw_syscall(SYS_getcwd, as_arg(out), static_cast<long>(size));
    if (length <= 0 || out[0] != '/') out[0] = '\0';
  }
  const size_t used = strlen(out);
  const int length = snprintf(out + used, size - used, "%s%s", used == 0 ? "" : "/", path);
  if (length < 0 || static_cast<size_t>(length) >= size - used) out[0] = '\0';
}

// Whether a mapping keeps its file description, and so the live-user lock, when the descriptor is closed. Not on
// overlayfs, which maps the file below. Found out once for each type of file system; as long as we do not know, no.
enum class Keeps : uint8_t { unknown, yes, no };

struct KnownToKeep {
  int64_t type;
  Keeps keeps;
};
KnownToKeep known_to_keep[16];  // for each of the supported types; guarded by the ProcessLock

Keeps recall(int64_t type) {
  const ProcessLock guard;
  for (const KnownToKeep& known : known_to_keep) {
    if (known.type == type) return known.keeps;
  }
  return Keeps::unknown;
}

void remember(int64_t type, Keeps keeps) {
  const ProcessLock guard;
  for (KnownToKeep& known : known_to_keep) {
    if (known.type != type && known.type != 0) continue;
    known = {type, keeps};
    return;
  }
}

// The file is mapped through `fd`. Closes it and returns -1 where the mapping keeps the lock; else a descriptor to keep.
int descriptor_to_keep(Descriptor& fd, const char* path, int64_t file_system) {
  const Keeps known = recall(file_system);
  if (known == Keeps::no) return fd.release();
  if (known == Keeps::yes) {
    fd.reset();
    return -1;
  }
  const off_t scratch = scratch_bytes + static_cast<off_t>(this_thread().thread_uid & 0x7fff'ffff'ffff);
  Descriptor second;
  struct stat a {};
  struct stat b {};
  OfdLock seen = OfdLock::none;
  if (file::open_existing(path, true, second) != 0 || file::status(fd.get(), a) != 0 ||
      file::status(second.get(), b) != 0 || !file::is_same(a, b) ||
      file::ofd_lock(second.get(), 0, OfdLock::shared) != 0 ||
      file::ofd_lock(fd.get(), scratch, OfdLock::shared) != 0) {
    return fd.release();
  }
  fd.reset();
  const bool kept = file::query_ofd_lock(second.get(), scratch, seen) == 0 && seen == OfdLock::shared;
  remember(file_system, kept ? Keeps::yes : Keeps::no);
  return kept ? -1 : second.release();
}

// The shared page of the file, and the private page directly behind it.
Lock* map(int fd) {
  const size_t page = file_format::unit_size();
  void* const base = mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) return nullptr;
  if (mmap(base, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
    munmap(base, 2 * page);
    return nullptr;
  }
  Lock& lock = *reinterpret_cast<Lock*>(static_cast<char*>(base) + page - sizeof(SharedLine));
  control_of(lock).base = base;
  return &lock;
}

void unmap(Lock& lock) {
  FileControl& control = control_of(lock);
  const Descriptor kept(control.kept_descriptor);
  munmap(control.base, 2 * file_format::unit_size());
}

int check_attributes(uint32_t found, const OpenRequest& request, const char* path) {
  if (request.any_attributes || found == request.attributes) return 0;
  return fail(EPROTOTYPE, Reason::attributes, path, found, request.attributes);
}

int check_kind(int fd, const char* path, struct stat& status, int64_t& file_system) {
  if (const int error = file::status(fd, status); error != 0) return fail_by_kernel(error, path);
  if (!S_ISREG(status.st_mode)) return fail(EINVAL, Reason::not_regular, path);
  if (const int error = file::file_system_type(fd, file_system); error != 0) return fail_by_kernel(error, path);
  if (!file::is_supported(file_system)) {
    return fail(ENOTSUP, Reason::file_system, path, static_cast<uint64_t>(file_system));
  }
  return 0;
}

bool is_retired(const Lock& lock) { return (load_relaxed(lock.shared.state) & state::retired) != 0; }

bool is_retired(int fd, const struct stat& status) {
  SharedLine line{};
  const off_t offset = status.st_size - static_cast<off_t>(sizeof line);
  return file::read_at(fd, &line, sizeof line, offset) == 0 && (line.state & state::retired) != 0;
}

// Somebody retired the file and was killed before he removed the name, or is just about to. 0 or an explained error.
int finish_removal(const char* path, const struct stat& retired) {
  Descriptor fd;
  struct stat status {};
  if (file::open_existing(path, true, fd) != 0 || file::status(fd.get(), status) != 0 ||
      !file::is_same(status, retired)) {
    return 0;  // done by somebody else
  }
  int error = file::ofd_lock_until(fd.get(), names_byte, OfdLock::exclusive, now_ns() + takeover_timeout);
  if (error == -EAGAIN) return fail(EBUSY, Reason::removal_stuck, path);
  // A removal that failed has been taken back by now.
  if (error == 0 && is_retired(fd.get(), retired) && file::status_of_name(path, status) == 0 &&
      file::is_same(status, retired)) {
    error = file::remove_name(path);
  }
  return error == 0 || error == -ENOENT ? 0 : fail_by_kernel(error, path);
}

// Maps a file that nobody in this process has open yet.
int attach_new(Lock*& out, Descriptor& fd, const char* path, const struct stat& status, int64_t file_system) {
  Header header{};
  if (const int error = file_format::admit(fd.get(), path, header); error != 0) return error;
  Lock* const lock = map(fd.get());
  if (lock == nullptr) return fail(ENOMEM, Reason::out_of_memory, path);
  lock->priv.attributes = header.attributes & attribute::all;
  FileControl& control = control_of(*lock);
  control.device = status.st_dev;
  control.inode = status.st_ino;
  control.pid_namespace = our_tid_scope().pid_namespace;
  absolute_path(path, control.path, sizeof control.path);
  control.kept_descriptor = descriptor_to_keep(fd, path, file_system);
  out = lock;
  return 0;
}

// Whether the request may have a handle of the lock: 0, an explained error, or `again`: retired.
int check_lock(const Lock& lock, const OpenRequest& request, const char* path) {
  if (control_of(lock).pid_namespace != our_tid_scope().pid_namespace)
    return fail(EXDEV, Reason::forked_elsewhere, path);
  if (is_retired(lock)) return again;
  return check_attributes(lock.priv.attributes, request, path);
}

// A handle of what this process has open already, or else of `fresh`, which is entered; null if there is neither. Counted
// only when it is certain: a reference that is taken back would let a close pass meanwhile that must be refused.
Lock* reference(Lock* fresh, const struct stat& status, const OpenRequest& request, const char* path, int& result) {
  const ProcessLock guard;
  Lock* const found = registry::find_file(status.st_dev, status.st_ino);
  Lock* const lock = found != nullptr ? found : fresh;
  if (lock == nullptr) return nullptr;
  result = check_lock(*lock, request, path);
  if (result != 0) return found;
  if (found == nullptr) registry::add_file(control_of(*lock));
  ++control_of(*lock).references;
  return lock;
}

// One handle of the file behind fd. Returns 0, an explained error, or `again`.
int attach(Lock*& out, Descriptor& fd, const char* path, const OpenRequest& request) {
  struct stat status {};
  int64_t file_system = 0;
  int result = 0;
  if (const int error = check_kind(fd.get(), path, status, file_system); error != 0) return error;
  Lock* lock = reference(nullptr, status, request, path, result);
  if (lock == nullptr) {
    Lock* fresh = nullptr;
    if (const int error = attach_new(fresh, fd, path, status, file_system); error != 0) return error;
    lock = reference(fresh, status, request, path, result);
    if (lock != fresh) unmap(*fresh);  // refused, or another thread was faster
  }
  if (result == 0) out = lock;
  if (result != again) return result;
  const int error = finish_removal(path, status);
  return error == 0 ? again : error;
}

// Opens by name what is no trap: devices have side effects already when opened. -errno, or explained, positive.
int open_by_name(const char* path, Descriptor& fd) {
  struct stat status {};
  if (const int error = file::status_of_name(path, status); error != 0) return error;
  if (S_ISLNK(status.st_mode)) return fail(ELOOP, Reason::symlink, path);
  if (!S_ISREG(status.st_mode)) return fail(EINVAL, Reason::not_regular, path);
  const int error = file::open_existing(path, true, fd);
  if (error == -ELOOP) return fail(ELOOP, Reason::symlink, path);
  if (error == -EISDIR || error == -ENXIO) return fail(EINVAL, Reason::not_regular, path);
  return error;
}

int open_or_create(Lock*& out, const char* path, const OpenRequest& request) {
  Descriptor fd;
  int error = open_by_name(path, fd);
  if (error == -ENOENT) {
    if (request.must_exist) return fail(ENOENT, Reason::must_exist, path);
    error = file_format::create(path, request.attributes, request.mode, fd);
    if (error == EEXIST) {
      // A name, but none to open: a link that leads nowhere was planted, or somebody creates and removes.
      return request.must_create ? fail(EEXIST, Reason::exists, path) : again;
    }
    if (error != 0) return error;
    return attach(out, fd, path, request);
  }
  if (error > 0) return error;
  if (error < 0) return fail_by_kernel(error, path);
  if (!request.must_create) return attach(out, fd, path, request);
  // A retired file under the name does not count as one.
  const OpenRequest any{0, true, true, false, 0};
  Lock* existing = nullptr;
  error = attach(existing, fd, path, any);
  if (error == again) return again;
  if (error == 0) close_lock(*existing);
  return fail(EEXIST, Reason::exists, path);
}

// Whether a thread of this process, alive, has the lock or its node.
bool is_held_here(const Lock& lock) {
  const Thread& self = this_thread();
  const uint32_t owner = word::tid(load_relaxed(lock.shared.word));
  const uint64_t marks[] = {load_acquire(lock.priv.linked_by), load_relaxed(lock.priv.unlinked_by),
                            load_relaxed(lock.priv.baton_linked)};
  for (const uint64_t mark : marks) {
    if (mark == 0 || (is_buffer(lock) && thread_uid_tid(mark) != owner)) continue;
    if (thread_uid_tid(mark) == self.tid ? mark == self.thread_uid : thread_of_this_process_lives(thread_uid_tid(mark)))
      return true;
  }
  return false;
}

// Takes the lock for its removal. EIDRM: it is retired already. Explained.
int take_for_removal(Lock& lock, const char* path) {
  const int64_t deadline = now_ns() + 100 * millisecond;
  for (;;) {
    const uint32_t owner = word::tid(load_relaxed(lock.shared.word));
    if (is_owned(lock)) return fail(EBUSY, Reason::held_unlink, path, owner);
    const int error = acquire(lock, 0, WaitMode::try_once);
    if (error == 0 || error == EOWNERDEAD) return 0;
    if (error == EBUSY) return fail(EBUSY, Reason::held_unlink, path, owner);
    if (error != ENOTRECOVERABLE) return error;
    // Poisoned: nobody acquires it any more, but somebody may be inside still, or just be finding out.
    if (owner == 0) return ENOTRECOVERABLE;
    if (now_ns() > deadline) return fail(EBUSY, Reason::held_unlink, path, owner);
    sleep_until(now_ns() + millisecond);
  }
}

int retire_and_remove(Lock& lock, const char* path) {
  const int taken = take_for_removal(lock, path);
  if (taken != 0 && taken != EIDRM && taken != ENOTRECOVERABLE) return taken;
  // Retired first: from then on nobody acquires it under this name or another, whether or not we live to remove the name.
  __atomic_or_fetch(&lock.shared.state, state::retired, __ATOMIC_RELAXED);
  int error = file::remove_name(path);
  if (error != 0 && error != -ENOENT) {
    if (taken != EIDRM) __atomic_and_fetch(&lock.shared.state, ~state::retired, __ATOMIC_RELAXED);
    error = fail_by_kernel(error, path);
  } else {
    error = 0;
  }
  if (taken == 0) {
    const int released = release(lock);
    if (error == 0) error = released;
  }
  return error;
}

}  // namespace

int open_file(Lock*& out, const char* path, const OpenRequest& request) {
  if (const int error = ensure_process_ready(); error != 0) return error;
  const int64_t deadline = now_ns() + takeover_timeout;
  for (;;) {
    const int error = open_or_create(out, path, request);
    if (error != again) return error;
    if (now_ns() > deadline) return fail(EBUSY, Reason::takeover_stuck, path);
  }
}

int close_lock(Lock& lock) {
  if (const int error = ensure_process_ready(); error != 0) return error;
  const ProcessLock guard;
  if (registry::references(lock) > 1) {
    registry::drop_reference(lock);
    return 0;
  }
  if (is_held_here(lock)) {
    return fail(EBUSY, Reason::close_held, registry::path_of(lock), word::tid(load_relaxed(lock.shared.word)));
  }
  if (registry::anyone_inside(lock)) return fail(EBUSY, Reason::close_inside, registry::path_of(lock));
  registry::drop_reference(lock);
  if (!is_buffer(lock)) {
    registry::remove_file(control_of(lock));
    unmap(lock);
  }
  return 0;
}

int unlink_file(const char* path) {
  const OpenRequest existing{0, true, true, false, 0};
  for (;;) {
    Lock* lock = nullptr;
    int error = open_file(lock, path, existing);
    if (error == ENOENT) return fail(ENOENT, Reason::missing, path);
    if (error != 0) return error;
    Descriptor fd;
    struct stat status {};
    const FileControl& control = control_of(*lock);
    error = file::open_existing(path, true, fd);
    if (error == 0) error = file::status(fd.get(), status);
    bool is_the_same = error == 0 && status.st_dev == control.device && status.st_ino == control.inode;
    if (is_the_same)
      error = file::ofd_lock_until(fd.get(), names_byte, OfdLock::exclusive, now_ns() + takeover_timeout);
    if (error == 0 && is_the_same) {
      is_the_same =
          file::status_of_name(path, status) == 0 && status.st_dev == control.device && status.st_ino == control.inode;
    }
    if (error == 0 && is_the_same) {
      error = retire_and_remove(*lock, path);
      close_lock(*lock);
      return error;
    }
    close_lock(*lock);
    if (error == -EAGAIN) return fail(EBUSY, Reason::removal_stuck, path);
    if (error != 0 && error != -ENOENT) return fail_by_kernel(error, path);
  }
}

}  // namespace shmutex
