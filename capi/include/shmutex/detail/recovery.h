/* What becomes of a lock that was acquired with EOWNERDEAD: shared by shmutex.hpp and the bindings for other languages,
 * and not part of the C interface. */
#ifndef SHMUTEX_DETAIL_RECOVERY_H
#define SHMUTEX_DETAIL_RECOVERY_H

#include <errno.h>
#include <shmutex/mutex.h>

/* What the program's recovery function says of the data. */
enum shmutex_verdict {
  SHMUTEX_VERDICT_LEAVE,    /* not repaired: release the lock, still marked, so that the next owner is told too */
  SHMUTEX_VERDICT_REPAIRED, /* go on inside */
  SHMUTEX_VERDICT_POISON    /* the data is lost, for everyone */
};

/* Returns 0: held and consistent; or, not held: EOWNERDEAD, ENOTRECOVERABLE, EPERM (the recovery function released the
 * lock), or what else shmutex_consistent() says. */
static inline int shmutex_settle_death(shmutex_t *m, enum shmutex_verdict verdict) {
  int code = EOWNERDEAD;
  if (verdict == SHMUTEX_VERDICT_REPAIRED) {
    code = shmutex_consistent(m);
    if (code == 0 || code == EINVAL) return 0; /* EINVAL: the recovery function has declared it already */
  } else if (verdict == SHMUTEX_VERDICT_POISON) {
    code = shmutex_poison(m);
    if (code == 0) code = ENOTRECOVERABLE;
  }
  if (code == EPERM) return EPERM;
  /* However deep the recovery function has left it. Ownership is asked first, so that shmutex_error_detail() goes on
   * telling of the failure that counts. */
  while (shmutex_is_owned(m) != 0 && shmutex_unlock(m) == 0) {
  }
  /* A poisoned lock refuses itself, and so puts the reason into words. */
  return verdict == SHMUTEX_VERDICT_POISON && code == ENOTRECOVERABLE ? shmutex_trylock(m) : code;
}

#endif
