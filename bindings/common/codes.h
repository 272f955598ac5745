/* The codes that a program may want to tell apart, for a table of them: X(EPERM) X(EBUSY) … */
#ifndef SHMUTEX_BINDINGS_CODES_H
#define SHMUTEX_BINDINGS_CODES_H

#include <errno.h>

// clang-format moves these about at every run.
// clang-format off
#define SHMUTEX_CODES(X) \
  X(EPERM) X(ENOENT) X(EINTR) X(EAGAIN) X(ENOMEM) X(EACCES) X(EBUSY) X(EEXIST) X(EXDEV) X(EINVAL) X(ENOSPC) \
  X(EROFS) X(EDEADLK) X(ENOLCK) X(ENOSYS) X(ELOOP) X(EIDRM) X(EBADMSG) X(EPROTOTYPE) X(EPROTONOSUPPORT) X(ENOTSUP) \
  X(ETIMEDOUT) X(ESTALE) X(EOWNERDEAD) X(ENOTRECOVERABLE) X(ENOTDIR) X(ENAMETOOLONG) X(EDQUOT) X(EMFILE) X(ENFILE) \
  X(EFAULT) X(EIO) X(EFBIG) X(EMLINK) X(ENODEV)
// clang-format on

#endif
