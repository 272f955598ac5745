// In which boot and PID namespace this process lives: where a TID that stands in shared memory means something.
#pragma once

#include <cstdint>

namespace shmutex {

// Numbers of one life of a machine and of one set of TIDs.
struct TidScope {
  uint8_t boot_id[16];
  uint64_t pid_namespace;  // inode of /proc/thread-self/ns/pid
  uint64_t start;          // tells it from an earlier namespace of the same number; 0: not known. Bit 0: which of the
                           // kernel's numbers it is; two of different kinds cannot be compared
};

inline bool same_boot(const TidScope& a, const TidScope& b) {
  return __builtin_memcmp(a.boot_id, b.boot_id, sizeof a.boot_id) == 0;
}

inline bool same_tid_scope(const TidScope& a, const TidScope& b) {
  const bool comparable = a.start != 0 && b.start != 0 && ((a.start ^ b.start) & 1) == 0;
  const bool same_start = !comparable || a.start == b.start;
  return same_boot(a, b) && a.pid_namespace == b.pid_namespace && same_start;
}

// 0, or an errno value; ENOSYS: /proc does not tell.
int read_tid_scope(TidScope& tid_scope);
int read_pid_namespace(TidScope& tid_scope);  // all but the boot

// Whether /proc is what it should be, and only parts of it are missing or forbidden.
bool proc_is_mounted();

}  // namespace shmutex
