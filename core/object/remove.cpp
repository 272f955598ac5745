#include "object/remove.h"

#include <errno.h>

#include "error/failure.h"
#include "object/close.h"
#include "object/mapping.h"
#include "object/open.h"
#include "object/retire.h"
#include "object/take_over.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/thread.h"

namespace shmutex {
namespace {

using file::Descriptor;
using file::ExclusiveOfdLock;

constexpr off_t names_byte = 1;  // exclusive: the right to remove a name of the file, after a look that it still is one

bool is_retired(int fd, const Kind& kind) {
  Line line{};
  const auto offset = static_cast<off_t>(page_size() - sizeof line);
  return file::read_at(fd, &line, sizeof line, offset) == 0 && kind.is_retired(line);
}

bool is_file_of(const struct stat& status, const Object& object) {
  return status.st_dev == control_of(object).device && status.st_ino == control_of(object).inode;
}

// The names' lock on the object's file; `fd` is another file's if the name has changed. 0, or -errno.
int lock_name(const char* path, const Object& object, Descriptor& fd, ExclusiveOfdLock& names, bool& is_the_same) {
  struct stat status {};
  is_the_same = false;
  int error = file::open_existing(path, true, fd);
  if (error == 0) error = file::status(fd.get(), status);
  if (error != 0 || !is_file_of(status, object)) return error;
  error = names.acquire(fd.get(), names_byte, now_ns() + takeover_timeout);
  if (error == 0) is_the_same = file::status_of_name(path, status) == 0 && is_file_of(status, object);
  return error;
}

// This process may not finish the removal that another began: the object goes on. Needs the names' lock, which says
// that the other is gone.
int take_removal_back(int fd, const char* path, const Kind& kind) {
  Object* const object = map_file(fd, kind);
  if (object == nullptr) return fail(ENOMEM, Reason::out_of_memory, path);
  kind.set_retired(*object, false);
  unmap(*object);
  return 0;
}

// Says, while it lives, that the calling thread holds the object for its removal only, unless it holds it already. The
// names' lock admits one at a time.
class Remover {
 public:
  Remover(Object& object, const Kind& kind) : tid_(control_of(object).remover) {
    store_relaxed(tid_, kind.owner(object) == this_thread().tid ? 0u : this_thread().tid);
  }
  ~Remover() { store_relaxed(tid_, 0u); }
  Remover(const Remover&) = delete;
  Remover& operator=(const Remover&) = delete;

 private:
  uint32_t& tid_;
};

}  // namespace

int finish_removal(const char* path, const Kind& kind, const struct stat& retired) {
  Descriptor fd;
  ExclusiveOfdLock names;
  struct stat status {};
  if (file::open_existing(path, true, fd) != 0 || file::status(fd.get(), status) != 0 ||
      !file::is_same(status, retired)) {
    return 0;  // done by another process
  }
  int error = names.acquire(fd.get(), names_byte, now_ns() + takeover_timeout);
  if (error == -EAGAIN) return fail(EBUSY, Reason::removal_stuck, path);
  // A removal that failed has been taken back by now.
  if (error == 0 && is_retired(fd.get(), kind) && file::status_of_name(path, status) == 0 &&
      file::is_same(status, retired)) {
    error = file::remove_name(path);
    if (error == -EPERM || error == -EACCES) return take_removal_back(fd.get(), path, kind);
  }
  return error == 0 || error == -ENOENT ? 0 : fail_by_kernel(error, path);
}

int unlink_file(const char* path, const Kind& kind) {
  for (;;) {
    Object* object = nullptr;
    int error = look_at_file(object, path, request_existing(kind));
    if (error == ENOENT) return fail(ENOENT, Reason::missing, path);
    if (error != 0) return error;
    Descriptor fd;
    ExclusiveOfdLock names;
    bool is_the_same = false;
    error = lock_name(path, *object, fd, names, is_the_same);
    // Asked before the mark is set: a process that is killed between a mark and a refusal would leave a lock that
    // nobody may have, and that only others may remove.
    const int refused = is_the_same ? file::may_remove_name(path) : 0;
    if (refused != 0 && refused != -ENOENT) {
      end_look(*object);
      return fail_by_kernel(refused, path);
    }
    if (is_the_same) {
      {
        const Remover remover(*object, kind);
        error = retire(*object, kind, Reason::held_unlink, path, [path] {
          const int removed = file::remove_name(path);
          return removed == 0 || removed == -ENOENT ? 0 : fail_by_kernel(removed, path);
        });
      }
      end_look(*object);
      return error;
    }
    end_look(*object);
    if (error == -EAGAIN) return fail(EBUSY, Reason::removal_stuck, path);
    if (error != 0 && error != -ENOENT) return fail_by_kernel(error, path);
  }
}

}  // namespace shmutex
