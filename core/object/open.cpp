#include "object/open.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "error/failure.h"
#include "object/close.h"
#include "object/create.h"
#include "object/mapping.h"
#include "object/remove.h"
#include "object/take_over.h"
#include "os/clock.h"
#include "os/syscall.h"
#include "process/process.h"
#include "process/process_lock.h"
#include "process/registry.h"

namespace shmutex {
namespace {

using file::Descriptor;

// How an attempt with a name ended: with an errno value (recorded; 0: success), or in vain, because the name came to
// mean another file meanwhile.
class Attempt {
 public:
  Attempt(int error) : error_(error) {}
  static Attempt in_vain() {
    Attempt out(0);
    out.in_vain_ = true;
    return out;
  }
  bool was_in_vain() const { return in_vain_; }
  bool succeeded() const { return !in_vain_ && error_ == 0; }
  int error() const { return error_; }

 private:
  int error_;
  bool in_vain_ = false;
};

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

int check_attributes(uint32_t found, const OpenRequest& request, const char* path) {
  if (request.any_attributes || found == request.attributes) return 0;
  return fail(EPROTOTYPE, Reason::attributes, path, found, request.attributes);
}

int check_file(int fd, const char* path, struct stat& status, int64_t& file_system) {
  if (const int error = file::status(fd, status); error != 0) return fail_by_kernel(error, path);
  if (!S_ISREG(status.st_mode)) return fail(EINVAL, Reason::not_regular, path);
  if (const int error = file::file_system_type(fd, file_system); error != 0) return fail_by_kernel(error, path);
  if (!file::is_supported(file_system)) {
    return fail_by_file_system(path, file_system);
  }
  return 0;
}

bool is_retired(const Object& object) {
  return control_of(object).kind->is_retired(reinterpret_cast<const Line&>(object));
}

// Maps a file that nobody in this process has open yet.
Attempt attach_new(Object*& out, Descriptor& fd, const char* path, const Kind& kind, struct stat& status,
                   int64_t file_system) {
  Header header{};
  if (const int error = admit(fd.get(), path, kind, header); error != 0) return error;
  const int unknown = file::status(fd.get(), status);
  Object* const object = unknown == 0 && status.st_nlink != 0 ? map_file(fd.get(), kind) : nullptr;
  if (object == nullptr) {
    // In so many words: a child that was forked meanwhile has the open file, too.
    file::ofd_lock(fd.get(), users_byte, file::OfdLock::none);
    if (unknown != 0) return fail_by_kernel(unknown, path);
    if (status.st_nlink == 0) return Attempt::in_vain();  // removed by rm, or a cleaner, since it was opened
    return fail(ENOMEM, Reason::out_of_memory, path);
  }
  set_attributes(*object, header.attributes);
  FileControl& control = control_of(*object);
  control.device = status.st_dev;
  control.inode = status.st_ino;
  control.pid_namespace = our_tid_scope().pid_namespace;
  absolute_path(path, control.path, sizeof control.path);
  keep_users_lock(*object, fd, path, file_system);
  out = object;
  return Attempt(0);
}

// Whether the request may have a handle of the object. In vain: it is retired.
Attempt check_object(const Object& object, const OpenRequest& request, const char* path) {
  if (control_of(object).pid_namespace != our_tid_scope().pid_namespace)
    return fail(EXDEV, Reason::forked_elsewhere, path);
  if (is_retired(object)) return Attempt::in_vain();
  const Understood& found = control_of(object).kind->understood;
  if (found.kind != request.kind.understood.kind) {
    return fail(EPROTOTYPE, Reason::other_kind, path, found.kind, request.kind.understood.kind);
  }
  return check_attributes(attributes_of(object), request, path);
}

// A look at what this process has open already, or else at `fresh`, which is entered; null if there is neither. Counted
// only when it is certain that there is an object to look at.
Object* begin_look(Object* fresh, const struct stat& status, const OpenRequest& request, const char* path,
                   Attempt& result) {
  const ProcessLock guard;
  registry::FileEntry* const entry = registry::find_file(status.st_dev, status.st_ino);
  Object* const found = entry == nullptr ? nullptr : &object_of(*static_cast<FileControl*>(entry));
  Object* const object = found != nullptr ? found : fresh;
  if (object == nullptr) return nullptr;
  result = check_object(*object, request, path);
  if (!result.succeeded()) return found;
  if (found == nullptr) registry::add_file(control_of(*object));
  registry::begin_look(control_of(*object));
  return object;
}

// A look at the file behind fd.
Attempt attach(Object*& out, Descriptor& fd, const char* path, const OpenRequest& request) {
  struct stat status {};
  int64_t file_system = 0;
  if (const int error = check_file(fd.get(), path, status, file_system); error != 0) return error;
  file::touch(fd.get());  // for age-based cleaners; a lock that cannot be touched works as well
  Attempt result = 0;
  Object* object = begin_look(nullptr, status, request, path, result);
  if (object == nullptr) {
    Object* fresh = nullptr;
    const Attempt attempt = attach_new(fresh, fd, path, request.kind, status, file_system);
    if (!attempt.succeeded()) return attempt;
    object = begin_look(fresh, status, request, path, result);
    if (object != fresh) unmap(*fresh);  // refused, or another thread was faster
  }
  if (result.succeeded() && fd.get() >= 0 && !has_users_lock(*object)) {
    // Opened before, and the program has closed what was kept. The look keeps it mapped meanwhile.
    if (const int error = take_users_lock_again(*object, fd); error != 0) {
      end_look(*object);
      return error;
    }
  }
  if (result.succeeded()) out = object;
  if (!result.was_in_vain()) return result;
  const int error = finish_removal(path, request.kind, status);
  return error == 0 ? Attempt::in_vain() : error;
}

// Opens by name what is no trap: devices have side effects already when opened. -errno, or recorded, positive.
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

Attempt open_or_create(Object*& out, const char* path, const OpenRequest& request) {
  Descriptor fd;
  int error = open_by_name(path, fd);
  if (error == -ENOENT) {
    if (request.creation == Creation::never) return fail(ENOENT, Reason::must_exist, path);
    error = create_file(path, request.kind, request.attributes, request.mode, fd);
    if (error == EEXIST) {
      // A name, but none to open: a link that leads nowhere was planted, or others create and remove.
      if (request.creation == Creation::always) return fail(EEXIST, Reason::exists, path);
      return Attempt::in_vain();
    }
    if (error != 0) return error;
    return attach(out, fd, path, request);
  }
  if (error > 0) return error;
  if (error < 0) return fail_by_kernel(error, path);
  if (request.creation == Creation::if_missing) {
    struct stat status {};
    if (file::status(fd.get(), status) == 0 && file::may_be_planted(path, status)) {
      return fail(EACCES, Reason::planted, path, status.st_uid);
    }
  }
  if (request.creation != Creation::always) return attach(out, fd, path, request);
  // A retired file under the name does not count as one.
  Object* existing = nullptr;
  const Attempt attempt = attach(existing, fd, path, request_existing(request.kind));
  if (attempt.was_in_vain()) return attempt;
  if (attempt.succeeded()) end_look(*existing);
  return fail(EEXIST, Reason::exists, path);
}

}  // namespace

int look_at_file(Object*& out, const char* path, const OpenRequest& request) {
  if (const int error = ensure_process_ready(); error != 0) return error;
  const int64_t deadline = now_ns() + takeover_timeout;
  for (;;) {
    const Attempt attempt = open_or_create(out, path, request);
    if (!attempt.was_in_vain()) return attempt.error();
    if (now_ns() > deadline) return fail(EBUSY, Reason::takeover_stuck, path);
  }
}

int open_file(Object*& out, const char* path, const OpenRequest& request) {
  Object* object = nullptr;
  if (const int error = look_at_file(object, path, request); error != 0) return error;
  const ProcessLock guard;
  FileControl& control = control_of(*object);
  ++control.references;
  registry::end_look(control);
  out = object;
  return 0;
}

}  // namespace shmutex
