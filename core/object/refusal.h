// Why an object is not used, in words.
#pragma once

#include "object/kind.h"

namespace shmutex {

// Records a failure for every status that no reset can help. 0 for usable, stale and half_reset. `path` is null for an
// object in memory.
int refuse(HeaderStatus status, const Header& found, uint64_t size, const Kind& asked_for, const char* path);

}  // namespace shmutex
