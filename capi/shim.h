// What the shims of all primitives share: they check arguments, leave errno alone, and do nothing else.
#pragma once

#include <errno.h>

#include "error/failure.h"

namespace shmutex::capi {

// What is not the fast path may call libc, which may change errno.
class KeepErrno {
 public:
  KeepErrno() : saved_(errno) {}
  ~KeepErrno() { errno = saved_; }
  KeepErrno(const KeepErrno&) = delete;
  KeepErrno& operator=(const KeepErrno&) = delete;

 private:
  int saved_;
};

[[gnu::cold, gnu::noinline]] inline int refuse_null() {
  const KeepErrno keep;
  return fail(EINVAL, Reason::null_argument);
}

[[gnu::cold, gnu::noinline]] inline int refuse_flags(unsigned flags) {
  const KeepErrno keep;
  return fail(EINVAL, Reason::bad_flags, nullptr, flags);
}

inline int check_path(const char* path) {
  if (path == nullptr) return fail(EINVAL, Reason::null_argument);
  if (path[0] == '\0') return fail(EINVAL, Reason::bad_path);
  return 0;
}

}  // namespace shmutex::capi
