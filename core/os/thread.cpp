#include "os/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "os/clock.h"
#include "os/file.h"
#include "os/syscall.h"

namespace shmutex {
namespace {

constexpr uint32_t never = UINT32_MAX;  // no process's fork generation
const volatile uint32_t before_first_use = 0;

uint32_t last_fork_generation = 0;  // survives fork, unlike the wiped page: so a child's number is new to its memory
uint32_t last_serial = 0;           // starts at random, so that two processes' thread_uids in one buffer differ

// MADV_WIPEONFORK (Linux 4.14) works for raw clones too, which pthread_atfork() does not see. process_fork_generation
// alone says whether the page is there: with a second word for it, a thread could come between the two and take
// generation 0 for its own.
int map_wiped_page() {
  const volatile uint32_t* existing = __atomic_load_n(&process_fork_generation, __ATOMIC_ACQUIRE);
  if (existing != &before_first_use) return 0;
  constexpr size_t size = 4096;
  const long address = raw_syscall(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address < 0 && address > -4096) return ENOMEM;
  void* const page = reinterpret_cast<void*>(address);
  if (raw_syscall(SYS_madvise, address, size, MADV_WIPEONFORK) != 0) {
    raw_syscall(SYS_munmap, address, size);
    return ENOSYS;
  }
  uint32_t unset = 0;
  const auto random = static_cast<uint32_t>(clock_ns(CLOCK_REALTIME) >> 10) | 1;
  __atomic_compare_exchange_n(&last_serial, &unset, random, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  if (!__atomic_compare_exchange_n(&process_fork_generation, &existing, static_cast<const volatile uint32_t*>(page),
                                   false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
    raw_syscall(SYS_munmap, address, size);  // another thread was faster
  }
  return 0;
}

// The number of this process: a new one if the page was wiped.
uint32_t refresh_generation() {
  auto* const page = const_cast<volatile uint32_t*>(__atomic_load_n(&process_fork_generation, __ATOMIC_ACQUIRE));
  uint32_t found = __atomic_load_n(page, __ATOMIC_ACQUIRE);
  if (found != 0) return found;
  uint32_t fresh = __atomic_add_fetch(&last_fork_generation, 1, __ATOMIC_RELAXED);
  if (fresh == 0 || fresh == never) fresh = __atomic_add_fetch(&last_fork_generation, 2, __ATOMIC_RELAXED);
  return __atomic_compare_exchange_n(page, &found, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ? fresh : found;
}

// What /proc knows of a thread, if it is ours to ask.
struct ThreadStatus {
  char state;
  unsigned long flags;
};

bool read_status(const char* path, ThreadStatus& out) {
  if (!proc_is_ours()) return false;
  const long fd = file::open_descriptor(path, O_RDONLY);
  if (fd < 0) return false;
  char text[512];
  const long length = raw_syscall(SYS_read, fd, as_arg(text), sizeof text - 1);
  raw_syscall(SYS_close, fd);
  if (length <= 0) return false;
  text[length] = '\0';
  const char* const after_name = strrchr(text, ')');  // the name may contain anything
  if (after_name == nullptr) return false;
  // proc_pid_stat(5): state, ppid, pgrp, session, tty_nr, tpgid, flags
  return sscanf(after_name, ") %c %*d %*d %*d %*d %*d %lu", &out.state, &out.flags) == 2;
}

bool is_gone(char state) { return state == 'Z' || state == 'X'; }

enum class Stage : uint8_t { gone, exiting, alive };

// The kernel knows a thread for a while after it has walked its robust list; a main thread that left by pthread_exit(),
// as long as the process lives.
Stage stage_of_own(uint32_t tid) {
  const auto is_known = [tid] {
    return raw_syscall(SYS_tgkill, raw_syscall(SYS_getpid), static_cast<int32_t>(tid), 0) != -ESRCH;
  };
  if (static_cast<int32_t>(tid) <= 0 || !is_known())
    return Stage::gone;                   // no TID at all: memory that is shared may say anything
  constexpr unsigned long exiting = 0x4;  // PF_EXITING, set before the walk
  char path[48];
  snprintf(path, sizeof path, "/proc/self/task/%u/stat", tid);
  ThreadStatus status{};
  if (!read_status(path, status)) return is_known() ? Stage::alive : Stage::gone;  // no /proc; or it has just ended
  if (is_gone(status.state)) return Stage::gone;
  return (status.flags & exiting) != 0 ? Stage::exiting : Stage::alive;
}

}  // namespace

__thread Thread this_thread_storage{never, 0, nullptr, 0, 0, 0, never, {}};
const volatile uint32_t* process_fork_generation = &before_first_use;

bool proc_is_ours() {
  char target[16] = {};
  const long length = raw_syscall(SYS_readlinkat, AT_FDCWD, as_arg("/proc/self"), as_arg(target), sizeof target - 1);
  if (length <= 0) return false;
  target[length] = '\0';
  return strtol(target, nullptr, 10) == raw_syscall(SYS_getpid);
}

int refresh_thread() {
  Thread& thread = this_thread();
  if (const int error = map_wiped_page(); error != 0) return error;
  const uint32_t fork_generation = refresh_generation();
  if (thread.refreshed == fork_generation) return 0;
  RobustHead* head = nullptr;
  if (robust::registered_head(head) < 0) return ENOSYS;
  if (head == nullptr) {
    head = &thread.own.head;
    *head = {head, -node_distance, nullptr};
    thread.own.prev = head;
    if (robust::register_head(*head) < 0) return ENOSYS;
  } else if (head->futex_offset != -node_distance) {
    return ENOSYS;
  }
  robust::clear_pending(*head);  // fork(3) leaves the parent's
  const auto tid = static_cast<uint32_t>(raw_syscall(SYS_gettid));
  const auto pid = static_cast<uint32_t>(raw_syscall(SYS_getpid));
  const uint32_t serial = __atomic_add_fetch(&last_serial, 1, __ATOMIC_RELAXED);
  thread.tid = tid;
  thread.head = head;
  thread.thread_uid = uint64_t{tid} << 32 | serial;
  thread.owner_id = uint64_t{pid} << 32 | tid;
  thread.held = 0;
  thread.fork_generation = never;
  thread.refreshed = fork_generation;
  return 0;
}

bool thread_of_this_process_lives(uint32_t tid) { return stage_of_own(tid) == Stage::alive; }

bool thread_of_this_process_exists(uint32_t tid) {
  const int64_t deadline = now_ns() + 100 * millisecond;
  Stage stage = stage_of_own(tid);
  for (; stage == Stage::exiting && now_ns() < deadline; stage = stage_of_own(tid)) {
    sleep_until(now_ns() + millisecond / 10);
  }
  return stage != Stage::gone;
}

bool thread_is_dead(uint32_t tid) {
  const auto is_unknown = [tid] { return raw_syscall(SYS_kill, static_cast<int32_t>(tid), 0) == -ESRCH; };
  if (is_unknown()) return true;
  char path[48];
  snprintf(path, sizeof path, "/proc/%u/stat", tid);
  ThreadStatus status{};
  return read_status(path, status) ? is_gone(status.state) : is_unknown();
}

}  // namespace shmutex
