// Every lock that this process has open, once each: "one lock, one record per process".
#pragma once

#include <sys/types.h>

#include "mutex/layout.h"

namespace shmutex {

// Behind the private line of a lock file's mapping, in the private page.
struct FileControl {
  dev_t device;
  ino_t inode;
  FileControl* next;  // in the registry
  void* base;         // of the mapping
  uint64_t inside;    // registry::WaitScope
  uint64_t pid_namespace;
  uint32_t references;
  int kept_descriptor;  // -1, or what keeps the file's live-user lock where the mapping does not
  char path[3900];      // absolute, for messages, and to see whether the name still leads here; "" if too long
};

inline FileControl& control_of(Lock& lock) {
  return *reinterpret_cast<FileControl*>(reinterpret_cast<char*>(&lock) + sizeof(Lock));
}
inline const FileControl& control_of(const Lock& lock) { return control_of(const_cast<Lock&>(lock)); }
inline Lock& lock_of(FileControl& control) {
  return *reinterpret_cast<Lock*>(reinterpret_cast<char*>(&control) - sizeof(Lock));
}

inline bool is_buffer(const Lock& lock) { return (lock.priv.attributes & attribute::buffer) != 0; }

namespace registry {

// The following need the ProcessLock.
Lock* find_file(dev_t device, ino_t inode);
void add_file(FileControl& control);
void remove_file(FileControl& control);
int add_buffer_reference(Lock& lock);  // 0 or ENOMEM
uint32_t references(const Lock& lock);
uint32_t drop_reference(Lock& lock);  // returns how many are left; a buffer without any is forgotten
bool any_open();

// Whether a thread of this process is inside a waiting call on the lock.
bool anyone_inside(const Lock& lock);

// Counts the calling thread as inside while it lives.
class WaitScope {
 public:
  explicit WaitScope(Lock& lock);
  ~WaitScope();
  WaitScope(const WaitScope&) = delete;
  WaitScope& operator=(const WaitScope&) = delete;

 private:
  Lock& lock_;
};

uint64_t pid_namespace_of(const Lock& lock);
const char* path_of(const Lock& lock);  // null for a buffer

}  // namespace registry
}  // namespace shmutex
