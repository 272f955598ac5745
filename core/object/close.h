// The end of a handle, of an object in a file or in memory.
#pragma once

#include "object/kind.h"

namespace shmutex {

int close_object(Object& object, const Kind& kind);

// Of one in a file. Unmaps it if its last handle was closed meanwhile, or there never was one.
void end_look(Object& object);

}  // namespace shmutex
