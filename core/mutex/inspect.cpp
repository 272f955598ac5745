#include "mutex/inspect.h"

#include <errno.h>

#include "base/atomics.h"
#include "error/failure.h"
#include "mutex/hold_note.h"
#include "mutex/kind.h"
#include "object/mapping.h"
#include "object/refusal.h"
#include "object/take_over.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/futex.h"
#include "os/robust_word.h"
#include "os/thread.h"
#include "os/tid_scope.h"

namespace shmutex {
namespace {

Inspection inspect_line(const SharedLine& line, uint32_t attributes, bool owners_mean_something) {
  const uint32_t word = load_relaxed(line.word);
  const uint32_t state = load_relaxed(line.state);
  const uint64_t last_owner = load_relaxed(line.last_owner);
  const uint32_t owner = word::tid(word);
  Inspection out{};
  out.attributes = attributes & attribute::all;
  out.token = load_relaxed(line.token);
  out.contended = load_relaxed(line.contended);
  out.recoveries = load_relaxed(line.recoveries);
  // Until the next owner writes it down: a word that is free by a death tells of the last owner's.
  const bool untold = owner == 0 && (word & word::owner_died) != 0 && last_owner != 0;
  out.last_dead_tid = untold ? owner_id_tid(last_owner) : load_relaxed(line.last_dead_tid);
  out.waiters = (word & word::waiters) != 0 || !word::is_free(load_relaxed(line.baton)) ? 1 : 0;
  if ((state & state::retired) != 0) {
    out.state = State::retired;
  } else if ((state & state::poisoned) != 0) {
    out.state = State::poisoned;
  } else if (owner != 0) {
    out.state = State::held;
  } else if ((word & word::owner_died) != 0 || (state & state::inconsistent) != 0) {
    out.state = State::owner_died;
  }
  if (owner != 0) out.depth = load_relaxed(line.depth) + 1;
  if (owner != 0 && owners_mean_something) {
    out.owner_tid = owner;
    if (owner_id_tid(last_owner) == owner) out.owner_pid = owner_id_pid(last_owner);
  }
  return out;
}

// Those who are awake at the moment, the head waiter among them, cannot be counted, nor those of a fair lock.
uint32_t count_waiters(Lock& lock, uint32_t at_least) {
  const long queued = futex::sleepers(lock.shared.baton);
  const long head = futex::sleepers(lock.shared.word);
  if (queued < 0 || head < 0) return at_least;
  const auto asleep = static_cast<uint32_t>(queued + head);
  return asleep > at_least ? asleep : at_least;
}

void compare_tid_scopes(Inspection& out, const TidScope& theirs) {
  TidScope ours{};
  if (read_tid_scope(ours) != 0) return;
  out.same_boot = same_boot(ours, theirs);
  out.same_pid_namespace = same_tid_scope(ours, theirs);
}

int record_failure(int error, const char* path) {
  if (error == -ENOENT) return fail(ENOENT, Reason::missing, path);
  return fail_by_kernel(error, path);
}

}  // namespace

Inspection inspect(const Lock& lock) {
  ensure_users_lock(const_cast<Lock&>(lock));  // a chance to notice; what cannot be helped, the next wait says
  Inspection out = inspect_line(lock.shared, attributes(lock), true);
  const Header& header = header_of(lock);
  compare_tid_scopes(out, tid_scope_of(header));
  out.kind = header.kind;
  out.waiters = count_waiters(const_cast<Lock&>(lock), out.waiters);
  if (out.owner_tid != 0) out.owner_since = noted_since(header.advice, out.token, now_ns());
  out.links = 1;
  if (!is_in_memory(lock)) {
    const FileControl& control = control_of(lock);
    struct stat status {};
    const bool leads_here = file::status_of_name(control.path, status) == 0 && status.st_dev == control.device &&
                            status.st_ino == control.inode;
    if (control.path[0] == '/') out.links = leads_here ? status.st_nlink : 0;
  }
  return out;
}

int inspect_file(const char* path, Inspection& out) {
  struct stat status {};
  int error = file::status_of_name(path, status);
  if (error != 0) return record_failure(error, path);
  if (S_ISLNK(status.st_mode)) return fail(ELOOP, Reason::symlink, path);
  if (!S_ISREG(status.st_mode)) return fail(EINVAL, Reason::not_regular, path);
  file::Descriptor fd;
  error = file::open_existing(path, false, fd);
  if (error == 0) error = file::status(fd.get(), status);
  if (error != 0) return record_failure(error, path);

  const auto size = static_cast<uint64_t>(status.st_size);
  Header header{};
  SharedLine line{};
  if (size >= sizeof header + sizeof line) {
    error = file::read_at(fd.get(), &header, sizeof header, 0);
    if (error == 0) error = file::read_at(fd.get(), &line, sizeof line, static_cast<off_t>(size - sizeof line));
    if (error != 0) return record_failure(error, path);
  }
  // Seen from where the file was made: a file of another boot or page size is no less readable.
  Header theirs = header;
  theirs.kind = kind_number::mutex;
  const HeaderStatus found = judge(header, Placement::file, size, theirs, understood_of(header.kind, mutex_kind));
  error = refuse(found, header, size, mutex_kind, path);
  if (error != 0) return error;
  // A copy that nobody uses yet: its owner is the original's.
  file::OfdLock users = file::OfdLock::none;
  if (is_of_another_file(header, status.st_dev, status.st_ino) && !word::is_free(line.word) &&
      file::query_ofd_lock(fd.get(), users_byte, users) == 0 && users == file::OfdLock::none) {
    line.word = word::owner_died;
    line.baton = 0;
  }
  TidScope ours{};
  const bool known = read_tid_scope(ours) == 0;
  out = inspect_line(line, header.attributes, known && same_tid_scope(ours, tid_scope_of(header)));
  compare_tid_scopes(out, tid_scope_of(header));
  out.links = status.st_nlink;
  out.kind = header.kind;
  if (out.owner_tid != 0) out.owner_since = noted_since(header.advice, out.token, now_ns());
  return 0;
}

}  // namespace shmutex
