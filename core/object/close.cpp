#include "object/close.h"

#include <errno.h>

#include "base/annotate.h"
#include "error/failure.h"
#include "object/mapping.h"
#include "process/process.h"
#include "process/process_lock.h"

namespace shmutex {

int close_object(Object& object, const Kind& kind) {
  if (const int error = ensure_process_ready(); error != 0) return error;
  const ProcessLock guard;
  if (references(object) > 1) {
    drop_reference(object);
    return 0;
  }
  if (kind.is_held_here(object)) return fail(EBUSY, Reason::close_held, path_of(object), kind.owner(object));
  if (anyone_waiting(object)) return fail(EBUSY, Reason::close_inside, path_of(object));
  const bool in_memory = is_in_memory(object);
  drop_reference(object);
  if (in_memory) {
    annotate::track(&memory_header_of(object), kind.memory_size);
  } else {
    registry::remove_file(control_of(object));
    unmap(object);
  }
  return 0;
}

}  // namespace shmutex
