// Why a call failed, remembered per thread for shmutex_error_detail(). Recording is cheap, since a busy trylock records
// too; the sentence is made when somebody asks.
#pragma once

#include <cstdint>

namespace shmutex {

enum class Reason : uint8_t {
  none,
  null_argument,
  bad_flags,
  bad_mode,
  bad_info_size,
  bad_path,
  memory_too_small,
  memory_misaligned,
  kernel,  // a: errno of a system call on the file
  no_robust_list,
  unknown_libc_shape,
  no_proc,
  not_regular,
  symlink,
  file_system,  // a: f_type
  exists,
  missing,
  not_a_lock,    // a: size found, b: size expected
  other_format,  // a: version found, b: version here
  other_scope_alive,
  takeover_stuck,
  removal_stuck,
  attributes,  // a: found, b: asked for
  buffer_not_a_lock,
  buffer_stale,
  buffer_init_stuck,
  busy,  // a: owner's TID, or 0
  self_deadlock,
  cycle,
  two_copies,
  depth,
  not_owner,  // a: owner's TID, or 0
  overwritten,
  not_inconsistent,
  timed_out,  // a: owner's TID, or 0
  interrupted,
  poisoned,
  retired,
  too_many_held,  // a: how many
  forked_elsewhere,
  futex_refused,  // a: errno
  close_held,     // a: owner's TID
  close_inside,
  held_unlink,   // a: owner's TID
  held_destroy,  // a: owner's TID
  owner_died,    // a: dead owner's TID, or 0
  out_of_memory,
};

// Remembers it and returns code. path may be null; it is copied.
int fail(int code, Reason reason, const char* path = nullptr, uint64_t a = 0, uint64_t b = 0);

// The same for a system call on a file that returned -errno; returns errno.
inline int fail_by_kernel(int error, const char* path) {
  return fail(-error, Reason::kernel, path, static_cast<uint64_t>(-error));
}

// The thread's last failure as a sentence; "" if there was none.
const char* failure_text();

// One sentence for a code, without knowing of what.
const char* code_text(int code);

}  // namespace shmutex
