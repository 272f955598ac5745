// Who the calling thread is: TID, robust list, and a thread_uid that no other thread of this process ever had. Cached
// in thread-local storage; a page that the kernel wipes in every forked child tells when the cache is another
// process's.
#pragma once

#include <cstdint>

#include "base/atomics.h"
#include "os/robust_list.h"

namespace shmutex {

struct Thread {
  uint32_t fork_generation;  // that of the process: fast paths may be taken. Anything else: prepare() first
  uint32_t tid;
  RobustHead* head;
  uint64_t thread_uid;  // tid << 32 | serial number: unique among the threads of this process, dead ones included
  uint64_t owner_id;    // pid << 32 | tid
  uint32_t held;        // locks linked into a list that was not empty: one less than it holds, or as many
  uint32_t refreshed;   // of which fork generation all this is
  struct {
    void* prev;  // the back pointer before the head that libc's shape has
    RobustHead head;
  } own;  // registered where a raw clone(2) left the thread without a list
};

// How many locks a thread may hold: the kernel walks 2048 entries and silently skips the rest; libc's mutexes need
// room.
inline constexpr uint32_t max_held = 1024;
inline constexpr uint32_t count_from = max_held - 1;  // from this value of Thread::held on, count exactly

// Small, and in the static TLS block, so that a look at it is one instruction. (`__thread`: `thread_local` would ask
// first whether a constructor has to run.)
extern __thread Thread this_thread_storage __attribute__((tls_model("initial-exec"), visibility("hidden")));

// Points at the fork generation of this process. The word behind it reads 0 in a child until refresh_thread() ran
// there.
extern const volatile uint32_t* process_fork_generation __attribute__((visibility("hidden")));

inline Thread& this_thread() { return this_thread_storage; }

inline bool is_current(const Thread& thread) { return likely(thread.fork_generation == *process_fork_generation); }

// Fills in this_thread() if need be, noticing forks, all but `generation`. 0, ENOMEM, or ENOSYS: there is no robust
// list.
int refresh_thread();

// A number that changes with every fork; valid after refresh_thread(). 0: not refreshed in this process yet.
inline uint32_t current_fork_generation() { return *process_fork_generation; }

// Notices, amid a call, that a signal handler has forked and that this is the child. Until refresh_thread() the child's
// this_thread() is still the parent's.
class ForkWatch {
 public:
  bool is_child() const { return unlikely(current_fork_generation() != began_in_); }

 private:
  const uint32_t began_in_ = current_fork_generation();
};

// The TID and the process in a thread_uid or owner_id.
constexpr uint32_t thread_uid_tid(uint64_t thread_uid) { return static_cast<uint32_t>(thread_uid >> 32); }
constexpr uint32_t owner_id_pid(uint64_t owner_id) { return static_cast<uint32_t>(owner_id >> 32); }
constexpr uint32_t owner_id_tid(uint64_t owner_id) { return static_cast<uint32_t>(owner_id); }

// Whether /proc is that of this process's PID namespace: another one's would tell of other threads.
bool proc_is_ours();

// Whether a thread of this process with that TID is alive and not exiting.
bool thread_of_this_process_lives(uint32_t tid);

// Whether the kernel may still walk the robust list of a thread of this process with that TID: it lives, or it is
// exiting. The end of one that is exiting is waited for, for a moment.
bool thread_of_this_process_exists(uint32_t tid);

// Whether the thread with that TID is certainly dead: unknown to the kernel, or a zombie, whose robust list the kernel
// is done with. False when in doubt.
bool thread_is_dead(uint32_t tid);

}  // namespace shmutex
