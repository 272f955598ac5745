/* The mutex's options and states, by the names that all languages have for them. */
#ifndef SHMUTEX_BINDINGS_MUTEX_OPTIONS_H
#define SHMUTEX_BINDINGS_MUTEX_OPTIONS_H

#include <shmutex/mutex.h>
#include <stdbool.h>
#include <stdint.h>

enum shmutex_exist { SHMUTEX_EXIST_ANY = -1, SHMUTEX_EXIST_NO = 0, SHMUTEX_EXIST_YES = 1 };

static inline unsigned shmutex_attributes(bool recursive, bool fair) {
  return (recursive ? (unsigned)SHMUTEX_RECURSIVE : 0u) | (fair ? (unsigned)SHMUTEX_FAIR : 0u);
}

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

static inline const char *shmutex_kind_name(uint32_t kind) { return kind == SHMUTEX_KIND_MUTEX ? "mutex" : "unknown"; }

#endif
