/* libshmutex: a mutex for processes that may be killed at any instruction.
 *
 * A lock is one 32-bit word in a small file, or in memory that the caller brings, shared by any number of processes of
 * one machine. If its owner dies, by SIGKILL included, the kernel hands the lock on at once and the next owner is told
 * (EOWNERDEAD). See shmutex(7) for the concepts, the limits and an example.
 *
 * FFI parsers read the parts, in this order. With comments and preprocessor lines removed, each is plain C.
 */
#ifndef SHMUTEX_SHMUTEX_H
#define SHMUTEX_SHMUTEX_H

#include <shmutex/base.h>
#include <shmutex/mutex.h>

#endif
