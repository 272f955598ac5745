// A stale file is reset only with the exclusive lock on its users' byte: nobody anywhere uses it. validity = resetting
// first, valid last: the next opener that finds `resetting` and gets the exclusive lock does it again; each step may be
// done twice.
#include "object/take_over.h"

#include <errno.h>
#include <string.h>

#include "error/failure.h"
#include "object/create.h"
#include "object/mapping.h"
#include "object/refusal.h"
#include "os/clock.h"
#include "process/process.h"

namespace shmutex {
namespace {

using file::OfdLock;

constexpr int64_t foreign_timeout = 200 * millisecond;  // with a live user of another scope: openers pass, users stay

off_t line_offset(uint64_t unit, uint32_t page) { return static_cast<off_t>((page + 1) * unit - line_size); }

// Reads each page's line, and writes what it becomes.
int renew_lines(int fd, const Kind& kind, uint64_t size, bool same_version) {
  for (uint32_t i = 0; i < kind.understood.pages; ++i) {
    Line line{};
    int error = file::read_at(fd, &line, sizeof line, line_offset(size / kind.understood.pages, i));
    if (error != 0) return error;
    kind.renew(line, same_version);
    error = file::write_at(fd, &line, sizeof line, line_offset(page_size(), i));
    if (error != 0) return error;
  }
  return 0;
}

// Needs the exclusive lock on the users' byte.
int reset(int fd, const Kind& kind, const Header& old, uint64_t size) {
  const bool same_version = old.version == format_version;
  const uint32_t resetting = validity::resetting;
  int error = file::write_at(fd, &resetting, sizeof resetting, offsetof(Header, validity));
  // The lines before the size: a process that does it again, after a kill in between, finds them at the end of the
  // file.
  if (error == 0) error = renew_lines(fd, kind, size, same_version);
  if (error == 0) error = file::set_size(fd, file_size_of(kind));
  if (error == 0) error = file::reserve(fd, file_size_of(kind));
  Identity identity = file_identity(kind, old.attributes);
  identity.must_understand = old.must_understand;
  identity.may_ignore = old.may_ignore;
  Header header{};
  if (error == 0) error = make_file_header(fd, identity, header);
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

int read_header(int fd, const Kind& kind, FoundHeader& out) {
  struct stat status {};
  if (const int error = file::status(fd, status); error != 0) return error;
  out.size = static_cast<uint64_t>(status.st_size);
  out.header = Header{};
  out.status = HeaderStatus::foreign;
  if (out.size < sizeof(Header)) return 0;
  if (const int error = file::read_at(fd, &out.header, sizeof out.header, 0); error != 0) {
    return error == -EIO ? 0 : error;
  }
  const Header ours = make_header(Placement::file, our_tid_scope(), file_identity(kind, 0));
  out.status = judge(out.header, Placement::file, out.size, ours, understood_of(out.header.kind, kind));
  if (out.status == HeaderStatus::usable && is_of_another_file(out.header, status.st_dev, status.st_ino)) {
    out.status = HeaderStatus::copied;
  }
  return 0;
}

int fail_other_scope(const Header& header, const char* path) {
  const bool same_boot = memcmp(header.boot_id, our_tid_scope().boot_id, sizeof header.boot_id) == 0;
  return fail(EXDEV, same_boot ? Reason::other_namespace_alive : Reason::other_boot_alive, path);
}

// A copy in use is the lock that it became: one that was copied over a lock's file, or whose device has another number
// now. While others use it nobody resets it. False: not any more, or not yet.
bool join_users_of_copy(int fd, const Kind& kind, FoundHeader& found) {
  if (file::ofd_lock(fd, users_byte, OfdLock::shared) != 0) return false;
  if (read_header(fd, kind, found) == 0 &&
      (found.status == HeaderStatus::usable || found.status == HeaderStatus::copied)) {
    return true;
  }
  file::ofd_lock(fd, users_byte, OfdLock::none);
  return false;
}

}  // namespace

int admit(int fd, const char* path, const Kind& kind, Header& header) {
  const int64_t start = now_ns();
  int64_t foreign_since = 0;
  int64_t pause = millisecond / 4;
  for (;;) {
    FoundHeader found{};
    if (const int error = read_header(fd, kind, found); error != 0) return fail_by_kernel(error, path);
    if (const int error = refuse(found.status, found.header, found.size, kind, path); error != 0) return error;
    const bool usable = found.status == HeaderStatus::usable;
    int error = file::ofd_lock(fd, users_byte, usable ? OfdLock::shared : OfdLock::exclusive);
    if (error == 0) {
      // What we saw before we had the lock may be past.
      const HeaderStatus seen = found.status;
      error = read_header(fd, kind, found);
      if (error == 0 && found.status == seen && !usable) {
        error = reset(fd, kind, found.header, found.size);
        if (error == 0) error = read_header(fd, kind, found);
      }
      if (error == 0 && found.status == HeaderStatus::usable) error = file::ofd_lock(fd, users_byte, OfdLock::shared);
      // Released in so many words: a child that was forked meanwhile has the open file, too.
      if (error != 0) {
        file::ofd_lock(fd, users_byte, OfdLock::none);
        return fail_by_kernel(error, path);
      }
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
      if (found.status == HeaderStatus::copied && join_users_of_copy(fd, kind, found)) {
        header = found.header;
        return 0;
      }
      if (foreign_since == 0) foreign_since = now;
      if (now - foreign_since > foreign_timeout) return fail_other_scope(found.header, path);
    } else {
      foreign_since = 0;
      if (now - start > takeover_timeout) return fail(EBUSY, Reason::takeover_stuck, path);
    }
    sleep_until(now + pause);
    if (pause < 10 * millisecond) pause *= 2;
  }
}

}  // namespace shmutex
