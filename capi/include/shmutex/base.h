/* What all parts of shmutex.h share: the rules, the version, and failures in words.
 *
 * Rules that hold for every function unless its comment says otherwise:
 *   - Functions that return int return 0 or a positive errno value. They neither print, nor abort, nor change errno.
 *     shmutex_strerror() puts a code into words, shmutex_error_detail() the calling thread's last failure.
 *   - NULL where a pointer is needed, and unknown flag bits, give EINVAL.
 *   - All functions may be called by any thread at any time, on the same handle too. The lock belongs to the calling
 *     thread: only the thread that acquired it may release it.
 *   - After fork(2) the child has valid handles and holds nothing. Thread exit, process exit and execve(2) while
 *     holding count as the owner's death.
 *   - No function is async-signal-safe, and none is a cancellation point. A signal handler, and the child of a
 *     vfork(2), must call none of them. A handler that interrupts a wait may fork(2), and the child may return from it:
 *     the wait is then the child's own, too, for what is left of its timeout.
 *   - Times are in nanoseconds on CLOCK_MONOTONIC.
 *   - "held" below: the calling thread holds the lock when the function returns. After every code that is not listed as
 *     held, the call has changed nothing about the lock's owner.
 */
#ifndef SHMUTEX_BASE_H
#define SHMUTEX_BASE_H

#include <stddef.h>
#include <stdint.h>

/* The one place where the version stands; the build reads it from here. */
#define SHMUTEX_VERSION_MAJOR 1
#define SHMUTEX_VERSION_MINOR 0
#define SHMUTEX_VERSION_PATCH 0

#include <shmutex/detail/begin.h>

/* One sentence for a code that a function here returned. Never NULL; always valid. */
const char *shmutex_strerror(int code);

/* The calling thread's last failure in words: which file, what was found, what to do. Never NULL; "" if nothing has
 * failed. Valid until the thread's next failure, or its next call of this function. */
const char *shmutex_error_detail(void);

/* The same in parts, for bindings and programs that advise in words of their own. Never NULL; "" if nothing has failed.
 *
 *   shmutex_error_reason   a stable name to compare, such as "timed_out"; shmutex_error_reason(3) lists them. Valid
 *                          always.
 *   shmutex_error_fact     what was found, in a sentence that names no function of any language. Valid as above.
 *   shmutex_error_advice   what to do, for a C program. Valid always.
 */
const char *shmutex_error_reason(void);
const char *shmutex_error_fact(void);
const char *shmutex_error_advice(void);

/* "major.minor.patch" of the library that is loaded. */
const char *shmutex_version(void);

#include <shmutex/detail/end.h>
#endif
