#include "object/close.h"

#include <errno.h>

#include "base/annotate.h"
#include "error/failure.h"
#include "object/mapping.h"
#include "process/process.h"
#include "process/process_lock.h"

namespace shmutex {
namespace {

// By a thread that removes it, which needs no handle.
bool is_held_by_its_remover(const Object& object, const Kind& kind) {
  if (is_in_memory(object)) return false;
  const FileControl& control = control_of(object);
  const uint32_t remover = load_relaxed(control.remover);
  return remover != 0 && registry::anyone_looks(control) && kind.owner(object) == remover;
}

// By a thread that has a handle. Asked again where the owner changes meanwhile: a remover comes and goes in no time.
bool is_held_by_a_user(const Object& object, const Kind& kind) {
  for (int tries = 0; tries < 10; ++tries) {
    const uint32_t owner = kind.owner(object);
    if (!kind.is_held_here(object) || is_held_by_its_remover(object, kind)) return false;
    if (is_in_memory(object) || (owner != 0 && kind.owner(object) == owner)) return true;
  }
  return true;
}

void forget_and_unmap(Object& object) {
  registry::remove_file(control_of(object));
  unmap(object);
}

}  // namespace

int close_object(Object& object, const Kind& kind) {
  if (const int error = ensure_process_ready(); error != 0) return error;
  const ProcessLock guard;
  if (references(object) > 1) {
    drop_reference(object);
    return 0;
  }
  if (is_held_by_a_user(object, kind)) return fail(EBUSY, Reason::close_held, path_of(object), kind.owner(object));
  if (anyone_waiting(object)) return fail(EBUSY, Reason::close_inside, path_of(object));
  const bool in_memory = is_in_memory(object);
  drop_reference(object);
  if (in_memory) {
    annotate::track(&memory_header_of(object), kind.memory_size);
  } else if (!registry::anyone_looks(control_of(object))) {  // else it is the last look's to unmap
    forget_and_unmap(object);
  }
  return 0;
}

void end_look(Object& object) {
  const ProcessLock guard;
  FileControl& control = control_of(object);
  registry::end_look(control);
  if (control.references != 0 || registry::anyone_looks(control)) return;
  // Held after all: a peer forged the remover's TID into the word. Mapped for good, then; the next open finds it.
  if (!control.kind->is_held_here(object)) forget_and_unmap(object);
}

}  // namespace shmutex
