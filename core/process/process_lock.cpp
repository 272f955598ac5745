#include "process/process_lock.h"

#include "base/annotate.h"
#include "base/atomics.h"
#include "os/clock.h"
#include "os/futex.h"
#include "os/thread.h"

namespace shmutex {
namespace {

// 0: free; else the holder's fork generation in the upper bits, bit 0: a waiter may be asleep.
uint32_t process_lock = 0;

}  // namespace

ProcessLock::ProcessLock() {
  const uint32_t mine = current_fork_generation() << 1;
  uint32_t taken = mine;
  for (;;) {
    uint32_t found = load_relaxed(process_lock);
    if (found >> 1 != mine >> 1) {
      if (!cas_acquire(process_lock, found, taken)) continue;
      annotate::acquired(&process_lock);
      return;
    }
    if ((found & 1) == 0 && !cas_relaxed(process_lock, found, found | 1)) continue;
    futex::wait(process_lock, mine | 1, now_ns() + second);
    taken = mine | 1;  // others may be asleep, too
  }
}

ProcessLock::~ProcessLock() {
  annotate::releasing(&process_lock);
  if ((__atomic_exchange_n(&process_lock, 0u, __ATOMIC_RELEASE) & 1) != 0) futex::wake_one(process_lock);
}

}  // namespace shmutex
