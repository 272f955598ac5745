// The end of an object for all processes: taken, marked retired, destroyed or its name removed, released.
#pragma once

#include <errno.h>

#include "error/failure.h"
#include "object/kind.h"

namespace shmutex {

// `destroy` does what the mark announces; it returns 0 or a recorded error, upon which the mark is taken back. `busy`
// is the reason where the object is in use.
template <class Destroy>
int retire(Object& object, const Kind& kind, Reason busy, const char* path, const Destroy& destroy) {
  uint32_t owner = 0;
  int error = 0;
  const Taken taken = kind.take(object, owner, error);
  if (taken == Taken::busy) return fail(EBUSY, busy, path, owner);
  if (taken == Taken::impossible) return error;
  // Retired first: from then on nobody acquires it, here or elsewhere, whether or not this process lives to destroy it.
  kind.set_retired(object, true);
  error = destroy();
  if (error != 0 && taken != Taken::retired) kind.set_retired(object, false);
  if (taken != Taken::taken) return error;
  const int released = kind.release(object);
  return error != 0 ? error : released;
}

}  // namespace shmutex
