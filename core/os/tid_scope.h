// In which boot and PID namespace this process lives: where a TID that stands in a lock means something.
#pragma once

#include "object/header.h"

namespace shmutex {

// 0, or an errno value; ENOSYS: /proc does not tell.
int read_tid_scope(TidScope& tid_scope);
int read_pid_namespace(TidScope& tid_scope);  // that field only

}  // namespace shmutex
