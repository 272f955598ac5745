// What may be killed while it creates, and who finds out: a complete file is written without a name; the one link(2)
// publishes it. Killed before: nothing is left. Where there are no unnamed files, a temporary name is used, whose
// creator's death is seen by the missing live-user lock: the next creator clears it away.
#include "object/create.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fnv1a.h"
#include "error/failure.h"
#include "object/mapping.h"
#include "object/take_over.h"
#include "os/clock.h"
#include "os/robust_list.h"
#include "os/syscall.h"
#include "process/process.h"

namespace shmutex {
namespace {

using file::Descriptor;
using file::OfdLock;

struct Content {
  const Kind& kind;
  uint32_t attributes;
  unsigned mode;
};

int write_lines(int fd, const Kind& kind) {
  for (uint32_t i = 0; i < kind.understood.pages; ++i) {
    Line line{};
    kind.make(line);
    const auto offset = static_cast<off_t>((i + 1) * page_size() - sizeof line);
    if (const int error = file::write_at(fd, &line, sizeof line, offset); error != 0) return error;
  }
  return 0;
}

// Writes a whole object into an empty file.
int fill(int fd, const Content& content) {
  const size_t size = file_size_of(content.kind);
  Header header{};
  int error = make_file_header(fd, file_identity(content.kind, content.attributes), header);
  if (error == 0) error = file::reserve(fd, size);
  if (error == 0) error = file::set_size(fd, size);
  if (error == 0) error = write_lines(fd, content.kind);
  if (error == 0) error = file::write_at(fd, &header, sizeof header, 0);
  if (error == 0) {
    header.validity = validity::valid;
    error = file::write_at(fd, &header, sizeof header, 0);
  }
  if (error == 0) error = file::set_mode(fd, content.mode);
  if (error == 0) error = file::flush(fd);  // or a crash of the machine could leave the name and lose the page
  return error;
}

// A name beside path that every creator of path chooses, each user its own: it cannot open another's.
bool temporary_name(const char* path, char* out, size_t size) {
  const char* const slash = strrchr(path, '/');
  const char* const base = slash == nullptr ? path : slash + 1;
  const uint64_t hash = fnv1a(base, strlen(base), fnv1a_basis ^ static_cast<uint64_t>(raw_syscall(SYS_geteuid)));
  const int length = snprintf(out, size, "%.*s.shmutex-%016llx", static_cast<int>(base - path), path,
                              static_cast<unsigned long long>(hash));
  return length > 0 && static_cast<size_t>(length) < size;
}

bool is_name_of(const char* path, int fd) {
  struct stat by_name {};
  struct stat by_descriptor {};
  return file::status_of_name(path, by_name) == 0 && file::status(fd, by_descriptor) == 0 &&
         file::is_same(by_name, by_descriptor);
}

// A temporary file is in the way: its creator is at work, or died. 0: cleared away.
int clear_temporary(const char* temporary, int64_t deadline) {
  Descriptor existing;
  int error = file::open_existing(temporary, true, existing);
  if (error != 0) return error == -ENOENT ? 0 : error;
  Header header{};
  const bool complete =
      file::read_at(existing.get(), &header, sizeof header, 0) == 0 && header.validity == validity::valid;
  file::ExclusiveOfdLock nobody_uses_it;
  if (!complete) {
    error = nobody_uses_it.acquire(existing.get(), users_byte, deadline);
    if (error != 0) return error;
  }
  if (!is_name_of(temporary, existing.get())) return 0;
  error = file::remove_name(temporary);
  return error == -ENOENT ? 0 : error;  // another clearer, or the creator itself, was faster
}

int create_by_temporary_name(const char* path, const Content& content, Descriptor& out) {
  char temporary[4096];
  if (!temporary_name(path, temporary, sizeof temporary)) return -ENAMETOOLONG;
  const int64_t deadline = now_ns() + takeover_timeout;
  for (;;) {
    Descriptor fd;
    int error = file::open_exclusively(temporary, fd);
    if (error == -EEXIST) {
      error = clear_temporary(temporary, deadline);
      if (error == 0) continue;
      return error;
    }
    if (error != 0) return error;
    error = file::ofd_lock(fd.get(), users_byte, OfdLock::shared);
    if (error == 0) error = fill(fd.get(), content);
    // By descriptor: the temporary name may have been cleared away before we had the lock.
    if (error == 0) error = file::give_name(fd.get(), path);
    const bool cleared_away = !is_name_of(temporary, fd.get());
    if (!cleared_away) file::remove_name(temporary);
    if (error == -ENOENT && cleared_away && now_ns() < deadline) continue;
    if (error == -EAGAIN && now_ns() < deadline) continue;  // another creator is clearing it away
    if (error != 0) return error;
    out = static_cast<Descriptor&&>(fd);
    return 0;
  }
}

int create_unnamed(const char* path, const Content& content, Descriptor& out) {
  Descriptor fd;
  int error = file::open_unnamed(path, fd);
  if (error == 0) error = file::ofd_lock(fd.get(), users_byte, OfdLock::shared);
  if (error == 0) error = fill(fd.get(), content);
  if (error == 0) error = file::give_name(fd.get(), path);
  if (error != 0) return error;
  out = static_cast<Descriptor&&>(fd);
  return 0;
}

// What a mapping is called in /proc/PID/maps is what its descriptor was opened by: for a file that had no name then, it
// looks like one that was removed. Where the name has changed already, the old one does.
void reopen_by_name(const char* path, Descriptor& fd) {
  Descriptor named;
  if (file::open_existing(path, true, named) == 0 && is_name_of(path, fd.get()) && is_name_of(path, named.get()) &&
      file::ofd_lock(named.get(), users_byte, OfdLock::shared) == 0) {
    fd = static_cast<Descriptor&&>(named);
  }
}

}  // namespace

Identity file_identity(const Kind& kind, uint32_t attributes) {
  return {.kind = kind.understood.kind,
          .pages = kind.understood.pages,
          .must_understand = 0,
          .may_ignore = 0,
          .attributes = attributes,
          .unit_size = static_cast<uint32_t>(page_size()),
          .word_offset = static_cast<uint16_t>(page_size() - line_size + kind.word_offset),
          .futex_offset = static_cast<int16_t>(-node_distance),
          .device = 0,
          .inode = 0};
}

int make_file_header(int fd, Identity identity, Header& out) {
  struct stat status {};
  if (const int error = file::status(fd, status); error != 0) return error;
  identity.device = status.st_dev;
  identity.inode = status.st_ino;
  out = make_header(Placement::file, our_tid_scope(), identity);
  return 0;
}

int fail_by_file_system(const char* path, int64_t type) {
  const Reason reason = type == file::btrfs ? Reason::btrfs : type == file::ramfs ? Reason::ramfs : Reason::file_system;
  return fail(ENOTSUP, reason, path, static_cast<uint64_t>(type));
}

int create_file(const char* path, const Kind& kind, uint32_t attributes, unsigned mode, Descriptor& out) {
  const Content content{kind, attributes, mode};
  int64_t file_system = 0;
  int error = file::file_system_type_beside(path, file_system);
  if (error == 0 && !file::is_supported(file_system)) {
    return fail_by_file_system(path, file_system);
  }
  if (error == 0) error = create_unnamed(path, content, out);
  if (error == -EOPNOTSUPP) error = create_by_temporary_name(path, content, out);
  if (error == 0) {
    reopen_by_name(path, out);
    return 0;
  }
  if (error == -EEXIST) return EEXIST;
  if (error == -EAGAIN) return fail(EBUSY, Reason::takeover_stuck, path);
  return fail_by_kernel(error, path);
}

}  // namespace shmutex
