// What one process knows of itself: its world, and a lock for its own tables.
#pragma once

#include "mutex/layout.h"
#include "object/header.h"
#include "os/thread.h"

namespace shmutex {

// Makes this_thread() and our_tid_scope() valid. Called first by everything but the fast paths. 0 or an errno value.
int ensure_process_ready();

// The same for a call on a lock, which must have been opened in this PID namespace: else EXDEV.
int prepare(const Lock& lock);

// The world of this process; valid after ensure_process_ready().
const TidScope& our_tid_scope();

// Excludes the process's other threads from its tables, for as long as a look-up takes. A holder that did not come along through a fork does not count: what the lock
// guards is changed by single stores, so that it is whole at any instant. Needs ensure_process_ready().
class ProcessLock {
 public:
  ProcessLock();
  ~ProcessLock();
  ProcessLock(const ProcessLock&) = delete;
  ProcessLock& operator=(const ProcessLock&) = delete;
};

}  // namespace shmutex
