// How an object's file comes to be.
#pragma once

#include "object/kind.h"
#include "os/file.h"

namespace shmutex {

// The header of a new object of that kind in a file, but for validity.
Header file_header(const Kind& kind, uint32_t attributes);

// Publishes a complete file under a name that must not exist yet; `out` has its live-user lock. EEXIST: another process was
// faster. Other errors are explained.
int create_file(const char* path, const Kind& kind, uint32_t attributes, unsigned mode, file::Descriptor& out);

}  // namespace shmutex
