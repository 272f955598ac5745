// In which boot and PID namespace this process lives: where a TID that stands in a lock means something.
#pragma once

#include "layout/header.h"

namespace shmutex {

// 0, or ENOSYS: /proc does not tell.
int read_world(World& world);

}  // namespace shmutex
