#include "mutex/wait.h"

#include <errno.h>

#include "error/failure.h"
#include "mutex/ownership.h"

namespace shmutex {

namespace {

int fail_to_acquire(const Lock& lock, int result) {
  const char* const path = path_of(lock);
  switch (result) {
    case EBUSY: return fail(result, Reason::busy, path, owner_tid(lock));
    case ETIMEDOUT: return fail(result, Reason::timed_out, path, owner_tid(lock));
    case EINTR: return fail(result, Reason::interrupted, path);
    case EDEADLK: return fail(result, Reason::cycle, path);
    case EOWNERDEAD: return fail(result, Reason::owner_died, path, load_relaxed(lock.shared.last_dead_tid));
    default: return fail(result, Reason::futex_refused, path, static_cast<uint64_t>(result));
  }
}

}  // namespace

int record_failure(const Lock& lock, int result) {
  if (result == acquired || result == forked_while_waiting) return result;
  fail_to_acquire(lock, result);
  if (!is_in_memory(lock)) remember_file(control_of(lock).device, control_of(lock).inode);
  return result;
}

}  // namespace shmutex
