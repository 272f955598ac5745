// The processors that this process may run on.
#pragma once

namespace shmutex {

// How many; at least 1. Asked of the kernel once.
int usable_cpus();

}  // namespace shmutex
