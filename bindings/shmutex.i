/* What the modules of all languages expose, in the same words. A language's own interface file says before it includes this
 * one how these things look there:
 *
 *   struct SharedMutex                     what its objects wrap. One member is `shmutex_t *handle`, NULL once closed.
 *   %typemap(in) const char *path          a path
 *   %typemap(out) shmutex_result           0, or an errno value: the failure, told as the language tells failures.
 *                                          EBADF: the mutex is closed, which is a mistake of the program's.
 *   %typemap(in, numinputs=0), %typemap(argout) shmutex_info_t *found
 *                                          a snapshot as a result; shmutex_state_name() puts its state into a word
 */
%{
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shmutex/shmutex.h>

typedef int shmutex_result;

/* The codes that a program may want to tell apart, for a table of them: X(EPERM) X(EBUSY) … */
#define SHMUTEX_CODES(X)                                                                                              \
  X(EPERM) X(ENOENT) X(EINTR) X(EAGAIN) X(ENOMEM) X(EACCES) X(EBUSY) X(EEXIST) X(EXDEV) X(EINVAL) X(ENOSPC) X(EROFS)  \
  X(EDEADLK) X(ENOLCK) X(ENOSYS) X(ELOOP) X(EIDRM) X(EBADMSG) X(EPROTOTYPE) X(EPROTONOSUPPORT) X(ENOTSUP)             \
  X(ETIMEDOUT) X(ESTALE) X(EOWNERDEAD) X(ENOTRECOVERABLE)                                                             \
  X(ENOTDIR) X(ENAMETOOLONG) X(EDQUOT) X(EMFILE) X(ENFILE) X(EFAULT) X(EIO) X(EFBIG) X(EMLINK) X(ENODEV)

enum shmutex_exist { SHMUTEX_EXIST_ANY = -1, SHMUTEX_EXIST_NO = 0, SHMUTEX_EXIST_YES = 1 };

static inline unsigned shmutex_attributes(bool recursive, bool fair) {
  return (recursive ? (unsigned)SHMUTEX_RECURSIVE : 0u) | (fair ? (unsigned)SHMUTEX_FAIR : 0u);
}

/* Flags of shmutex_open() from the options as the languages name them. */
static inline unsigned shmutex_open_flags(bool recursive, bool fair, enum shmutex_exist exist) {
  const unsigned existing = exist == SHMUTEX_EXIST_YES  ? (unsigned)SHMUTEX_MUST_EXIST
                            : exist == SHMUTEX_EXIST_NO ? (unsigned)SHMUTEX_MUST_CREATE
                                                        : 0u;
  return shmutex_attributes(recursive, fair) | existing;
}

static inline const char *shmutex_state_name(uint32_t state) {
  switch (state) {
    case SHMUTEX_STATE_FREE: return "free";
    case SHMUTEX_STATE_HELD: return "held";
    case SHMUTEX_STATE_OWNER_DIED: return "owner-died";
    case SHMUTEX_STATE_POISONED: return "poisoned";
    case SHMUTEX_STATE_RETIRED: return "retired";
    default: return "unknown";
  }
}

/* What becomes of a lock that was acquired with EOWNERDEAD, once its recovery function has spoken. */
enum shmutex_verdict {
  SHMUTEX_VERDICT_LEAVE,    /* nobody repaired it: release it, still marked, so that the next owner is told too */
  SHMUTEX_VERDICT_REPAIRED, /* go on inside */
  SHMUTEX_VERDICT_POISON    /* the data is lost, for everybody */
};

/* Returns 0: held and consistent; or, not held: EOWNERDEAD, ENOTRECOVERABLE, or EPERM (recovery released it). */
static inline int shmutex_settle_death(shmutex_t *m, enum shmutex_verdict verdict) {
  int code = EOWNERDEAD;
  if (verdict == SHMUTEX_VERDICT_REPAIRED) {
    code = shmutex_consistent(m);
    if (code == 0 || code == EINVAL) return 0; /* EINVAL: recovery has declared it already */
    if (code == EPERM) return EPERM;
  } else if (verdict == SHMUTEX_VERDICT_POISON) {
    code = shmutex_poison(m);
    if (code == EPERM) return EPERM;
    code = ENOTRECOVERABLE;
  }
  /* However deep recovery has left it. Asked first, so that the failure that shmutex_error_detail() tells of stays. */
  while (shmutex_is_owned(m) != 0 && shmutex_unlock(m) == 0) {
  }
  /* A poisoned lock refuses itself, and so puts the reason into words. */
  return verdict == SHMUTEX_VERDICT_POISON ? shmutex_trylock(m) : code;
}
%}

typedef int shmutex_result;

%nodefaultctor SharedMutex;
%nodefaultdtor SharedMutex;
typedef struct SharedMutex {
} SharedMutex;

%extend SharedMutex {
  shmutex_result unlock() { return $self->handle == NULL ? EBADF : shmutex_unlock($self->handle); }
  shmutex_result consistent() { return $self->handle == NULL ? EBADF : shmutex_consistent($self->handle); }
  shmutex_result poison() { return $self->handle == NULL ? EBADF : shmutex_poison($self->handle); }
  shmutex_result info(shmutex_info_t *found) {
    found->size = sizeof *found;
    return $self->handle == NULL ? EBADF : shmutex_info($self->handle, found);
  }
}

%rename(unlink) shmutex_unlink_path;
%rename(inspect) shmutex_inspect_path;
%inline %{
static shmutex_result shmutex_unlink_path(const char *path) { return shmutex_unlink(path, 0); }
static shmutex_result shmutex_inspect_path(const char *path, shmutex_info_t *found) {
  found->size = sizeof *found;
  return shmutex_inspect(path, found);
}
%}
