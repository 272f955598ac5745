// The end of a handle, of an object in a file or in memory.
#pragma once

#include "object/kind.h"

namespace shmutex {

int close_object(Object& object, const Kind& kind);

}  // namespace shmutex
