// What one process knows of itself: its world, and a lock for its own tables.
#pragma once

#include "layout/header.h"
#include "layout/lock.h"
#include "os/thread.h"

namespace shmutex {

// Makes this_thread() and our_world() valid. Called first by everything but the fast paths. 0 or an errno value.
int enter_process();

// The same for a call on a lock, which must have been opened in this PID namespace: else EXDEV.
int enter(const Lock& lock);

// The world of this process; valid after enter_process().
const World& our_world();

// Excludes the process's other threads from its tables, for as long as a look-up takes. A holder that did not come along through a fork does not count: what the lock
// guards is changed by single stores, so that it is whole at any instant. Needs enter_process().
class ProcessLock {
 public:
  ProcessLock();
  ~ProcessLock();
  ProcessLock(const ProcessLock&) = delete;
  ProcessLock& operator=(const ProcessLock&) = delete;
};

}  // namespace shmutex
