// In which boot and PID namespace this process lives: where a TID that stands in a lock means something.
#pragma once

#include "layout/header.h"

namespace shmutex {

// 0, or an errno value; ENOSYS: /proc does not tell.
int read_world(World& world);
int read_pid_namespace(World& world);  // that field only

}  // namespace shmutex
