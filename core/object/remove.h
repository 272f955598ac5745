// Removing an object's name.
#pragma once

#include <sys/stat.h>

#include "object/kind.h"

namespace shmutex {

int unlink_file(const char* path, const Kind& kind);

// The file under the name is retired: its remover was killed before it removed the name, or is about to. 0 or a
// recorded error.
int finish_removal(const char* path, const Kind& kind, const struct stat& retired);

}  // namespace shmutex
