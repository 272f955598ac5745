// A lock for this process's own tables.
#pragma once

namespace shmutex {

// Excludes the process's other threads from its tables, for as long as a look-up takes. A holder that did not come
// along through a fork does not count: what the lock guards is changed by single stores, so that it is whole at any
// instant. Needs refresh_thread().
class ProcessLock {
 public:
  ProcessLock();
  ~ProcessLock();
  ProcessLock(const ProcessLock&) = delete;
  ProcessLock& operator=(const ProcessLock&) = delete;
};

}  // namespace shmutex
