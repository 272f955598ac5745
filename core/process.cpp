#include "process.h"

#include <errno.h>

#include "failure.h"
#include "os/clock.h"
#include "os/futex.h"
#include "os/syscall.h"
#include "os/world.h"
#include "registry.h"

namespace shmutex {
namespace {

World world{};
uint32_t world_generation = 0;  // of which process `world` is; 0: not read yet
uint32_t world_pid = 0;         // and its PID
bool shape_checked = false;
// This process was forked into another PID namespace with open locks: every call must ask whether its lock is one of them.
bool migrated = false;

// 0: free; else the holder's generation in the upper bits, bit 0: somebody may be asleep.
uint32_t process_lock = 0;

// After a fork only the PID namespace can have changed. A child that has no /proc any more (chroot) is in its parent's
// namespace if it can name its parent there: the first process of a new one cannot.
int look_again(World& found, uint32_t parent) {
  found = world;
  const int error = read_pid_namespace(found);
  if (error == 0 || static_cast<uint32_t>(raw_syscall(SYS_getppid)) == parent) return 0;
  return error;
}

int learn_world() {
  const uint32_t generation = current_generation();
  if (load_acquire(world_generation) == generation) return 0;
  const ProcessLock guard;
  if (world_generation == generation) return 0;
  World found{};
  const bool forked = world_generation != 0;
  if (const int error = forked ? look_again(found, world_pid) : read_world(found); error != 0) {
    return fail(error, error == ENOSYS ? Reason::no_proc : Reason::kernel, nullptr, static_cast<uint64_t>(error));
  }
  if (forked && !same_world(found, world) && registry::any_open()) migrated = true;
  world = found;
  world_pid = identity_pid(this_thread().identity);
  store_release(world_generation, generation);
  return 0;
}

}  // namespace

int enter_process() {
  if (const int error = settle_thread(); error != 0) {
    return fail(error, error == ENOMEM ? Reason::out_of_memory : Reason::no_robust_list);
  }
  Thread& thread = this_thread();
  if (is_current(thread)) return 0;
  if (const int error = learn_world(); error != 0) return error;
  if (!load_relaxed(shape_checked)) {
    if (thread.head != &thread.own.head && !robust::libc_shape_is_known(*thread.head)) {
      return fail(ENOSYS, Reason::unknown_libc_shape);
    }
    store_relaxed(shape_checked, true);
  }
  if (!load_relaxed(migrated)) thread.generation = thread.settled;
  return 0;
}

int enter(const Lock& lock) {
  if (const int error = enter_process(); error != 0) return error;
  if (unlikely(load_relaxed(migrated)) && registry::pid_namespace_of(lock) != world.pid_namespace) {
    return fail(EXDEV, Reason::forked_elsewhere, registry::path_of(lock));
  }
  return 0;
}

const World& our_world() { return world; }

ProcessLock::ProcessLock() {
  const uint32_t mine = current_generation() << 1;
  uint32_t taken = mine;
  for (;;) {
    uint32_t found = load_relaxed(process_lock);
    if (found >> 1 != mine >> 1) {
      if (cas_acquire(process_lock, found, taken)) return;
      continue;
    }
    if ((found & 1) == 0 && !cas_relaxed(process_lock, found, found | 1)) continue;
    futex::wait(process_lock, mine | 1, now_ns() + second);
    taken = mine | 1;  // others may be asleep, too
  }
}

ProcessLock::~ProcessLock() {
  if ((__atomic_exchange_n(&process_lock, 0u, __ATOMIC_RELEASE) & 1) != 0) futex::wake_one(process_lock);
}

}  // namespace shmutex
