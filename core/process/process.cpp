#include "process/process.h"

#include <errno.h>

#include "base/annotate.h"
#include "error/failure.h"
#include "os/syscall.h"
#include "os/thread.h"
#include "os/tid_scope.h"
#include "process/process_lock.h"
#include "process/registry.h"

namespace shmutex {
namespace {

TidScope tid_scope{};
uint32_t tid_scope_generation = 0;  // of which process `tid_scope` is; 0: not read yet
uint32_t tid_scope_pid = 0;         // and its PID
bool shape_checked = false;
// This process was forked into another PID namespace with open locks: every call must ask whether its lock is one of
// them.
bool migrated = false;

// After a fork only the PID namespace can have changed. A child that has no /proc any more (chroot) is in its parent's
// namespace if it can name its parent there: the first process of a new one cannot.
int look_again(TidScope& found, uint32_t parent) {
  found = tid_scope;
  const int error = read_pid_namespace(found);
  if (error == 0 || static_cast<uint32_t>(raw_syscall(SYS_getppid)) == parent) return 0;
  return error;
}

int learn_tid_scope() {
  const uint32_t fork_generation = current_fork_generation();
  if (load_acquire(tid_scope_generation) == fork_generation) return 0;
  const ProcessLock guard;
  if (tid_scope_generation == fork_generation) return 0;
  TidScope found{};
  const bool forked = tid_scope_generation != 0;
  if (const int error = forked ? look_again(found, tid_scope_pid) : read_tid_scope(found); error != 0) {
    if (error != ENOSYS) return fail_by_kernel(-error, nullptr);
    return fail(error, proc_is_mounted() ? Reason::proc_hidden : Reason::no_proc);
  }
  if (forked && !same_tid_scope(found, tid_scope) && registry::any_open()) migrated = true;
  tid_scope = found;
  tid_scope_pid = owner_id_pid(this_thread().owner_id);
  store_release(tid_scope_generation, fork_generation);
  return 0;
}

}  // namespace

int ensure_process_ready() {
  if (const int error = refresh_thread(); error != 0) {
    return fail(error, error == ENOMEM ? Reason::out_of_memory : Reason::no_robust_list);
  }
  Thread& thread = this_thread();
  if (is_current(thread)) return 0;
  if (const int error = learn_tid_scope(); error != 0) return error;
  if (!load_relaxed(shape_checked)) {
    if (thread.head != &thread.own.head && !robust::libc_shape_is_known(*thread.head)) {
      return fail(ENOSYS, Reason::unknown_libc_shape);
    }
    store_relaxed(shape_checked, true);
  }
  if (!load_relaxed(migrated) && !annotate::watched()) thread.fork_generation = thread.refreshed;
  return 0;
}

bool process_migrated() { return load_relaxed(migrated); }

const TidScope& our_tid_scope() { return tid_scope; }

}  // namespace shmutex
