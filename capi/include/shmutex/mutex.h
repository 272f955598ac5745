/* A mutex for processes that may be killed at any instruction; a part of shmutex.h. The rules of base.h hold for every
 * function here. See shmutex(7) for the concepts, the limits and an example.
 */
#ifndef SHMUTEX_MUTEX_H
#define SHMUTEX_MUTEX_H

#include <shmutex/base.h>

#include <shmutex/detail/begin.h>

/* A lock as one process sees it. All handles of one lock in one process are the same lock. */
typedef struct shmutex shmutex_t;

enum {
  /* Attributes: fixed when a lock is created. To open or attach an existing one, ask for the same. */
  SHMUTEX_RECURSIVE = 0x1, /* its owner may acquire it again, and releases it as often */
  SHMUTEX_FAIR = 0x2,      /* handed over by the kernel in order of arrival, with priority inheritance; slower */
  /* How to open. */
  SHMUTEX_MUST_EXIST = 0x100,  /* shmutex_open: ENOENT instead of creating */
  SHMUTEX_MUST_CREATE = 0x200, /* shmutex_open: EEXIST instead of opening */
  SHMUTEX_ANY_ATTR = 0x400,    /* shmutex_open, shmutex_attach: an existing lock may have any attributes */
  SHMUTEX_INIT_ONCE = 0x800 /* shmutex_attach: zeroed memory is initialised first, by exactly one of those that race */
};

enum {
  SHMUTEX_INTERRUPTIBLE = 0x1 /* shmutex_acquire: return EINTR when a signal handler ran during the wait */
};

enum {
  SHMUTEX_SIZE = 256,         /* bytes that a lock in the caller's memory takes; shmutex_size() says it at run time */
  SHMUTEX_ALIGN = 64,         /* and their alignment */
  SHMUTEX_MAX_DEPTH = 1048576 /* how often an owner may hold a recursive lock at once */
};

/* ---------------------------------------------------------------------------------------------------------------------
 * Locks in files
 */

/* Opens the lock at path, creating it if there is none. Put lock files on tmpfs (/dev/shm, /run) where you can.
 *
 *   out    receives the handle; set to NULL on failure. Close it with shmutex_close().
 *   path   its directory must exist. The last component must not be a symbolic link.
 *   flags  attributes (SHMUTEX_RECURSIVE, SHMUTEX_FAIR), SHMUTEX_MUST_EXIST or SHMUTEX_MUST_CREATE (not both),
 *          SHMUTEX_ANY_ATTR; 0 opens or creates a plain lock.
 *   mode   permission bits of a new file, whatever the umask says; 0 means 0600. Permissions are the boundary: a user
 *          with permission to write to the file can lock it, and can break it. One with permission to read only can
 *          hold up its removal and its take-over.
 *
 * A file left by an earlier boot, or by a PID namespace whose processes are all gone, is taken over in place; if
 * it was held then, the first acquisition returns EOWNERDEAD. A process may open one file many times, under
 * different names too: it is one lock. The lock is never held on return by reason of this call.
 *
 * Returns 0, or
 *   EINVAL           out or path is NULL, bad flags or mode; path is a directory, fifo, socket or device
 *   ENOENT           SHMUTEX_MUST_EXIST and no such file; or a directory of the path is missing
 *   EEXIST           SHMUTEX_MUST_CREATE and the file exists
 *   ELOOP            the last component is a symbolic link
 *   EPROTOTYPE       the lock has other attributes than those asked for; or the file is no mutex, but of another kind
 *   EBADMSG          not a lock file (size, magic number or checksum); it was not written to
 *   EPROTONOSUPPORT  a lock file of another format version, page size or byte order; or of a kind, or with attributes or
 *                    features, that this version does not know: that one is never written to, nor taken over
 *   EXDEV            in use by processes of another PID namespace or another boot
 *   EBUSY            another process has been creating or taking over this file for ten seconds and is still alive
 *   ENOTSUP          a file system on which other machines might open the file, or that cannot hold a lock (network,
 *                    FUSE, btrfs, ramfs, hugetlbfs and unknown ones)
 *   ENOSYS           this kernel, emulator or sandbox has no robust futexes; or /proc is not readable
 *   EACCES           from the kernel; or without SHMUTEX_MUST_EXIST: the file is another user's, in a sticky directory
 *                    that others may write to (fs.protected_regular, proc_sys_fs(5))
 *   EPERM, ENOSPC, EDQUOT, EMFILE, ENFILE, ENOMEM, ENAMETOOLONG, EROFS, …   from the kernel
 */
int shmutex_open(shmutex_t **out, const char *path, unsigned flags, unsigned mode);

/* Removes the lock at path: takes it, retires it, removes the name. Processes that still have it open get EIDRM from
 * the next acquisition, never a second lock beside the new one. Works on a poisoned lock and on one whose owner died.
 * Remove lock files with this, not with unlink(2).
 *
 *   flags  must be 0.
 *
 * Returns 0, or
 *   EBUSY    the lock is held, by the caller perhaps; or another removal has been under way for ten seconds
 *   ENOENT   no such file
 *   EINVAL, ELOOP, EBADMSG, EPROTONOSUPPORT, EXDEV, ENOTSUP, ENOSYS   as shmutex_open(); the file is still there
 *   EACCES, EPERM, EROFS, …   from the kernel; the lock goes on as before
 */
int shmutex_unlink(const char *path, unsigned flags);

/* Gives a handle back, from shmutex_open() or shmutex_attach(). The lock itself stays for others.
 *
 * Returns 0, or EBUSY, the handle still being valid: it is the last handle of this process, and a thread of the process
 * holds the lock, waits for it or is just releasing it; or it died holding the lock, and has not ended altogether yet.
 * A call of shmutex_unlink() or shmutex_open() by its path does not count. A thread that begins a call on the handle at
 * the same time uses a handle that is closed.
 */
int shmutex_close(shmutex_t *m);

/* ---------------------------------------------------------------------------------------------------------------------
 * Acquire and release
 */

/* Acquires the lock, waiting as long as it takes. Signal handlers run, and the wait goes on. As pthread_mutex_lock(3p)
 * on a robust mutex, but an owner that does not declare the data consistent does not brick the lock.
 *
 * Returns
 *   0                held
 *   EOWNERDEAD       held. A previous owner died inside, or left without shmutex_consistent(): the data may be half
 *                    changed. Repair it and call shmutex_consistent(), or give up with shmutex_poison().
 *   EDEADLK          the calling thread holds it already and it is not recursive; or fair: waiting would close a cycle
 *   EAGAIN           recursion depth exhausted (SHMUTEX_MAX_DEPTH); still held as often as before
 *   ENOTRECOVERABLE  it was poisoned
 *   EIDRM            shmutex_unlink() or shmutex_destroy() removed it; close the handle and open the lock again
 *   ENOLCK           the thread holds 1024 locks, as many as the kernel would clean up after it
 *   EXDEV            the process was forked into another PID namespace after it opened the lock
 *   EBADF, EXDEV     overlayfs: the process closed the descriptor that the library keeps there, and could not open it
 *                    again, or processes of another PID namespace took the file over meanwhile
 *   ENOSYS, EFAULT, ENOMEM, …   the kernel or a sandbox refused the futex system call
 */
int shmutex_lock(shmutex_t *m);

/* Acquires the lock if that is possible at once. Never sleeps.
 *
 * Returns
 *   0, EOWNERDEAD    held, as shmutex_lock()
 *   EBUSY            it is held; by the caller itself, too, unless the lock is recursive
 *   EAGAIN, ENOTRECOVERABLE, EIDRM, ENOLCK, EXDEV, EBADF, ENOSYS   as shmutex_lock()
 */
int shmutex_trylock(shmutex_t *m);

/* shmutex_lock() with a limit.
 *
 *   timeout_ns  nanoseconds from now; < 0: no limit; 0: one try. A lock that is free is acquired whatever the timeout.
 *
 * Returns what shmutex_lock() does, or ETIMEDOUT.
 */
int shmutex_timedlock(shmutex_t *m, int64_t timeout_ns);

/* shmutex_timedlock() that can be told to notice signals.
 *
 *   flags  0, or SHMUTEX_INTERRUPTIBLE: a signal handler that ran during the wait ends it with EINTR, with SA_RESTART
 *        too. A handler that runs just before the thread falls asleep cannot be told from one that ran before the call.
 *        So that none is missed, a wait that lasts longer than a second returns EINTR about then, perhaps without one:
 *        handle what signals there were, and wait again.
 *        Fair locks: the kernel hides signals in these waits, so an interruptible one sleeps for 100 ms at most,
 *        returns EINTR then (perhaps no handler ran), and gives up its place in the queue.
 *
 * Returns what shmutex_timedlock() does, or EINTR.
 */
int shmutex_acquire(shmutex_t *m, int64_t timeout_ns, unsigned flags);

/* Releases the lock; a recursive one, once. Without shmutex_consistent() after EOWNERDEAD, the next owner gets
 * EOWNERDEAD too.
 *
 * Returns 0, or
 *   EPERM         the calling thread does not hold it (a forked child does not hold its parent's); or another process
 *                 overwrote the lock while the thread held it, and it does not hold it now
 *   ENOSYS, …     from futex(2): the lock is released, but a sandbox refused to wake a waiter; waiters notice within a
 *                 second
 */
int shmutex_unlock(shmutex_t *m);

/* Declares the data under the lock repaired, after EOWNERDEAD. The lock stays held.
 *
 * Returns 0, EPERM (the calling thread does not hold it), EINVAL (nothing to declare), ENOTRECOVERABLE (poisoned),
 * EIDRM (removed), EXDEV as shmutex_lock().
 */
int shmutex_consistent(shmutex_t *m);

/* Gives the data up for lost: every later acquisition, in every process, fails with ENOTRECOVERABLE. The lock stays
 * held until shmutex_unlock(). Only shmutex_unlink() or shmutex_init() makes a usable lock of it again.
 *
 * Returns 0, EPERM (the calling thread does not hold it), EXDEV as shmutex_lock().
 */
int shmutex_poison(shmutex_t *m);

/* ---------------------------------------------------------------------------------------------------------------------
 * Locks in memory that the caller brings
 *
 * Any memory that the processes share will do (mmap, memfd, shm_open, System V); private memory serves the threads of
 * one process. The memory must stay mapped, writable and in place from shmutex_attach() to shmutex_close(), and while a
 * thread holds the lock or waits for it. Unlike a lock file, such a lock keeps list pointers in the shared memory: a
 * process that overwrites them can harm the others. Use lock files among processes that do not trust each other.
 */

/* SHMUTEX_SIZE, as the library sees it. */
size_t shmutex_size(void);

/* Makes a lock in mem, whatever was there before; it must not be in use.
 *
 *   mem    at least SHMUTEX_SIZE bytes, aligned to SHMUTEX_ALIGN
 *   len    bytes available at mem
 *   flags  attributes
 *
 * Returns 0, EINVAL (NULL, too small, misaligned, bad flags), ENOSYS as shmutex_open().
 */
int shmutex_init(void *mem, size_t len, unsigned flags);

/* Opens the lock in mem, in any process that maps it, at any address.
 *
 *   out    receives the handle; set to NULL on failure. Close it with shmutex_close().
 *   flags  the attributes of the lock, SHMUTEX_ANY_ATTR, SHMUTEX_INIT_ONCE
 *
 * Returns 0, or
 *   EINVAL           NULL, too small, misaligned, bad flags
 *   EBADMSG          no lock here
 *   EPROTOTYPE, EPROTONOSUPPORT, ENOSYS   as shmutex_open()
 *   ESTALE           made in an earlier boot or in another PID namespace; make it again with shmutex_init()
 *   EBUSY            SHMUTEX_INIT_ONCE: another process has been initialising it for ten seconds and is still alive
 *   ENOMEM
 */
int shmutex_attach(shmutex_t **out, void *mem, size_t len, unsigned flags);

/* Ends the life of the lock in mem. Handles that are still open get EIDRM from the next acquisition.
 *
 * Returns 0, EBUSY (held), or EINVAL, EBADMSG, EPROTONOSUPPORT, ESTALE, ENOSYS, ENOMEM as shmutex_attach().
 */
int shmutex_destroy(void *mem, size_t len);

/* ---------------------------------------------------------------------------------------------------------------------
 * Looking
 */

/* 1 if the calling thread holds the lock, else 0. */
int shmutex_is_owned(const shmutex_t *m);

/* The fencing token of the latest acquisition; 0 for NULL. Every acquisition, recursive ones aside, adds one; the
 * numbers of one path never go back, not even after a reboot, a power loss or shmutex_unlink() (as long as the clock
 * was not set back then). A resource that remembers the highest token it has seen can reject the late write of an owner
 * that was presumed dead. */
uint64_t shmutex_token(const shmutex_t *m);

/* What an object is. Others have numbers of their own, and are refused where a mutex is asked for. */
enum { SHMUTEX_KIND_MUTEX = 0 };

/* States of a lock, in order of precedence from the last to the first. */
enum {
  SHMUTEX_STATE_FREE = 0,
  SHMUTEX_STATE_HELD = 1,
  SHMUTEX_STATE_OWNER_DIED = 2, /* free, and the next owner gets EOWNERDEAD */
  SHMUTEX_STATE_POISONED = 3,
  SHMUTEX_STATE_RETIRED = 4 /* removed by shmutex_unlink() or shmutex_destroy() */
};

/* A snapshot, each field for itself; others may change the lock meanwhile. Later versions may add fields at the end. */
typedef struct shmutex_info_t {
  uint32_t size;               /* in: sizeof(shmutex_info_t); out: how many bytes were filled in */
  uint32_t state;              /* SHMUTEX_STATE_… */
  uint32_t attributes;         /* SHMUTEX_RECURSIVE | SHMUTEX_FAIR */
  uint32_t waiters;            /* how many threads sleep, waiting; 1 where it is only known that there are some (of a
                                  fair lock, by shmutex_inspect, or while the next owner is awake already) */
  int32_t owner_tid;           /* owning thread; 0: none, or it cannot be named from here */
  int32_t owner_pid;           /* its process; 0 as above */
  uint32_t depth;              /* how often the owner holds it; 0: not held */
  int32_t last_dead_tid;       /* the last owner known to have died inside, named before the next one acquires;
                                  0: none */
  uint64_t token;              /* fencing token of the latest acquisition */
  uint64_t contended;          /* acquisitions that had to wait */
  uint64_t recoveries;         /* calls of shmutex_consistent() that declared the data repaired */
  uint32_t same_boot;          /* 1: made, or taken over, in this boot */
  uint32_t same_pid_namespace; /* 1: made, or taken over, in the caller's PID namespace */
  uint64_t links;              /* shmutex_info: names of the file, 0: the path it was opened by leads elsewhere by now
                                  (rm was used); 1 for memory. shmutex_inspect: names of the file */
  uint32_t kind;               /* SHMUTEX_KIND_MUTEX */
  uint32_t reserved;           /* 0 */
  uint64_t owner_since;        /* since when the present hold is known to last, in ns of CLOCK_MONOTONIC; noted by the
                                  first waiter that sleeps, so 0 where none has waited: not known */
} shmutex_info_t;

/* Fills in info for an open lock. Returns 0, or EINVAL (NULL, or info->size too small). */
int shmutex_info(const shmutex_t *m, shmutex_info_t *info);

/* The same for the file at path, read-only: neither opens it for locking nor counts as a user of it. Works for files of
 * another boot or namespace too; owner_tid and owner_pid are 0 then.
 *
 * Returns 0, EINVAL, ENOENT, ELOOP, EBADMSG, EPROTONOSUPPORT, or what the kernel says (EACCES, …).
 */
int shmutex_inspect(const char *path, shmutex_info_t *info);

#include <shmutex/detail/end.h>
#endif
