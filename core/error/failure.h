// Why a call failed, remembered per thread for shmutex_error_detail(). Recording is cheap, since a busy trylock records
// too; the sentence is made when it is asked for.
#pragma once

#include <cstdint>

#include "error/reasons.h"

namespace shmutex {

// Remembers it and returns code. path may be null; it is copied.
int fail(int code, Reason reason, const char* path = nullptr, uint64_t a = 0, uint64_t b = 0);

// After fail(), for a lock in a file: the sentence will say so if the path leads to that file no longer when it is
// asked for.
void remember_file(uint64_t device, uint64_t inode);

// As fail(), for a system call on a file that returned -errno; returns errno.
inline int fail_by_kernel(int error, const char* path) {
  return fail(-error, reason_of_kernel(-error), path, static_cast<uint64_t>(-error));
}

// The thread's last failure; "" if there was none. Name of the reason, what was found, what to do; and the last two
// together.
const char* failure_reason();
const char* failure_fact();
const char* failure_advice();
const char* failure_text();

}  // namespace shmutex
