// How a lock file comes to be, and how a stale one is made anew. What may be killed in between, and who finds out:
//
//   create   A complete page is written to a file without a name; the one link(2) publishes it. Killed before: nothing is
//            left. Where there are no unnamed files, a temporary name is used, whose creator's death is seen by the
//            missing live-user lock: the next creator clears it away.
//   users    Who maps the file holds a shared open-file-description lock on byte 0, kept by the mapping, released by
//            the kernel when the last mapping goes, however it goes, and visible across PID namespaces.
//   reset    Only with the exclusive lock on byte 0: nobody anywhere uses the file. validity = resetting first, valid
//            last: who finds `resetting` and gets the exclusive lock does it again; each step may be done twice.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/fnv1a.h"
#include "error/failure.h"
#include "object/header.h"
#include "object/lock_file.h"
#include "os/clock.h"
#include "os/syscall.h"
#include "process/process.h"
#include "sync/robust_word.h"

namespace shmutex::file_format {
namespace {

using file::Descriptor;
using file::OfdLock;

constexpr off_t users_byte = 0;
constexpr int64_t takeover_timeout = 10 * second;       // with a live process that is just creating or resetting
constexpr int64_t foreign_timeout = 200 * millisecond;  // with a live user of another world: openers pass, users stay

off_t line_offset(uint64_t size) { return static_cast<off_t>(size - sizeof(SharedLine)); }

// Writes a whole lock into an empty file.
int fill(int fd, uint32_t attributes, unsigned mode) {
  const size_t size = unit_size();
  Header header = file_format::header(attributes);
  SharedLine line{};
  line.token = static_cast<uint64_t>(clock_ns(CLOCK_REALTIME));  // beyond any token of a lock removed from this path
  int error = file::reserve(fd, size);
  if (error == 0) error = file::set_size(fd, size);
  if (error == 0) error = file::write_at(fd, &line, sizeof line, line_offset(size));
  if (error == 0) error = file::write_at(fd, &header, sizeof header, 0);
  if (error == 0) {
    header.validity = validity::valid;
    error = file::write_at(fd, &header, sizeof header, 0);
  }
  if (error == 0) error = file::set_mode(fd, mode);
  if (error == 0) error = file::flush(fd);  // or a crash of the machine could leave the name and lose the page
  return error;
}

// A name beside path that every creator of path chooses, each user his own: he cannot open another's.
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
  if (!complete) {
    error = file::ofd_lock_until(existing.get(), users_byte, OfdLock::exclusive, deadline);
    if (error != 0) return error;
  }
  if (!is_name_of(temporary, existing.get())) return 0;
  error = file::remove_name(temporary);
  return error == -ENOENT ? 0 : error;  // another clearer, or the creator himself, was faster
}

int create_by_temporary_name(const char* path, uint32_t attributes, unsigned mode, Descriptor& out) {
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
    if (error == 0) error = fill(fd.get(), attributes, mode);
    // By descriptor: the temporary name may have been cleared away before we had the lock.
    if (error == 0) error = file::give_name(fd.get(), path);
    const bool cleared_away = !is_name_of(temporary, fd.get());
    if (!cleared_away) file::remove_name(temporary);
    if (error == -ENOENT && cleared_away && now_ns() < deadline) continue;
    if (error == -EAGAIN && now_ns() < deadline) continue;  // somebody is clearing it away
    if (error != 0) return error;
    out = static_cast<Descriptor&&>(fd);
    return 0;
  }
}

int create_unnamed(const char* path, uint32_t attributes, unsigned mode, Descriptor& out) {
  Descriptor fd;
  int error = file::open_unnamed(path, fd);
  if (error == 0) error = file::ofd_lock(fd.get(), users_byte, OfdLock::shared);
  if (error == 0) error = fill(fd.get(), attributes, mode);
  if (error == 0) error = file::give_name(fd.get(), path);
  if (error != 0) return error;
  out = static_cast<Descriptor&&>(fd);
  return 0;
}

// The line that a lock starts its new life with, from the one that it had.
SharedLine renewed(const SharedLine& old, bool same_version) {
  SharedLine line{};
  const uint32_t owner = word::tid(old.word);
  const bool somebody_was_inside =
      owner != 0 || (old.word & word::owner_died) != 0 || (old.state & state::inconsistent) != 0;
  line.word = somebody_was_inside ? word::owner_died : 0;
  line.state = old.state & (state::poisoned | state::retired);
  line.token = same_version ? old.token : static_cast<uint64_t>(clock_ns(CLOCK_REALTIME));
  line.contended = old.contended;
  line.recoveries = old.recoveries;
  line.last_dead_tid = owner != 0 ? owner : old.last_dead_tid;
  return line;
}

// Needs the exclusive lock on byte 0.
int reset(int fd, Header& header, uint64_t size) {
  const bool same_version = header.version == format_version;
  const uint32_t attributes = same_version ? header.attributes & attribute::all : 0;
  const uint32_t resetting = validity::resetting;
  SharedLine line{};
  int error = file::write_at(fd, &resetting, sizeof resetting, offsetof(Header, validity));
  if (error == 0) error = file::read_at(fd, &line, sizeof line, line_offset(size));
  if (error != 0) return error;
  line = renewed(line, same_version);
  // The line before the size: who does it again, after a kill in between, finds this line at the end of the file.
  error = file::write_at(fd, &line, sizeof line, line_offset(unit_size()));
  if (error == 0) error = file::set_size(fd, unit_size());
  if (error == 0) error = file::reserve(fd, unit_size());
  header = file_format::header(attributes);
  header.validity = validity::resetting;
  if (error == 0) error = file::write_at(fd, &header, sizeof header, 0);
  if (error != 0) return error;
  header.validity = validity::valid;
  return file::write_at(fd, &header.validity, sizeof header.validity, offsetof(Header, validity));
}

struct FoundHeader {
  HeaderStatus status;
  uint64_t size;
  Header header;
};

int read_header(int fd, FoundHeader& out) {
  struct stat status {};
  if (const int error = file::status(fd, status); error != 0) return error;
  out.size = static_cast<uint64_t>(status.st_size);
  out.header = Header{};
  out.status = HeaderStatus::foreign;
  if (out.size < sizeof(Header)) return 0;
  if (const int error = file::read_at(fd, &out.header, sizeof out.header, 0); error != 0) {
    return error == -EIO ? 0 : error;
  }
  out.status = judge(out.header, Placement::file, out.size, header(0));
  return 0;
}

}  // namespace

size_t unit_size() {
  static const size_t size = getauxval(AT_PAGESZ);
  return size;
}

Header header(uint32_t attributes) {
  const auto size = static_cast<uint32_t>(unit_size());
  const auto word_offset = static_cast<uint32_t>(line_offset(size)) + static_cast<uint32_t>(offsetof(SharedLine, word));
  return make_header(Placement::file, our_tid_scope(), size, word_offset, static_cast<int32_t>(-node_distance),
                     attributes);
}

int create(const char* path, uint32_t attributes, unsigned mode, Descriptor& out) {
  int64_t file_system = 0;
  int error = file::file_system_type_beside(path, file_system);
  if (error == 0 && !file::is_supported(file_system)) {
    return fail(ENOTSUP, Reason::file_system, path, static_cast<uint64_t>(file_system));
  }
  if (error == 0) error = create_unnamed(path, attributes, mode, out);
  if (error == -EOPNOTSUPP) error = create_by_temporary_name(path, attributes, mode, out);
  if (error == 0) return 0;
  if (error == -EEXIST) return EEXIST;
  if (error == -EAGAIN) return fail(EBUSY, Reason::takeover_stuck, path);
  return fail_by_kernel(error, path);
}

int admit(int fd, const char* path, Header& header) {
  const int64_t start = now_ns();
  int64_t foreign_since = 0;
  int64_t pause = millisecond / 4;
  for (;;) {
    FoundHeader found{};
    if (const int error = read_header(fd, found); error != 0) return fail_by_kernel(error, path);
    if (found.status == HeaderStatus::foreign) return fail(EBADMSG, Reason::not_a_lock, path, found.size, unit_size());
    if (found.status == HeaderStatus::other_format) {
      return fail(EPROTONOSUPPORT, Reason::other_format, path, found.header.version, format_version);
    }
    const bool usable = found.status == HeaderStatus::usable;
    int error = file::ofd_lock(fd, users_byte, usable ? OfdLock::shared : OfdLock::exclusive);
    if (error == 0) {
      // What we saw before we had the lock may be past.
      const HeaderStatus seen = found.status;
      error = read_header(fd, found);
      if (error == 0 && found.status == seen && !usable) {
        error = reset(fd, found.header, found.size);
        if (error == 0) error = read_header(fd, found);
      }
      if (error == 0 && found.status == HeaderStatus::usable) error = file::ofd_lock(fd, users_byte, OfdLock::shared);
      if (error != 0) return fail_by_kernel(error, path);
      if (found.status == HeaderStatus::usable) {
        header = found.header;
        return 0;
      }
      file::ofd_lock(fd, users_byte, OfdLock::none);
      continue;
    }
    if (error != -EAGAIN) return fail_by_kernel(error, path);

    OfdLock others = OfdLock::none;
    const int64_t now = now_ns();
    if (!usable && file::query_ofd_lock(fd, users_byte, others) == 0 && others == OfdLock::shared) {
      if (foreign_since == 0) foreign_since = now;
      if (now - foreign_since > foreign_timeout) return fail(EXDEV, Reason::other_scope_alive, path);
    } else {
      foreign_since = 0;
      if (now - start > takeover_timeout) return fail(EBUSY, Reason::takeover_stuck, path);
    }
    sleep_until(now + pause);
    if (pause < 10 * millisecond) pause *= 2;
  }
}

}  // namespace shmutex::file_format
