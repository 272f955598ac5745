// Every constant and every field of the public header, pinned: programs have them compiled in, so they never change. A
// later version may add to this file and must not edit it.
#include <shmutex/shmutex.h>

#include <type_traits>

static_assert(SHMUTEX_RECURSIVE == 0x1 && SHMUTEX_FAIR == 0x2);
static_assert(SHMUTEX_MUST_EXIST == 0x100 && SHMUTEX_MUST_CREATE == 0x200);
static_assert(SHMUTEX_ANY_ATTR == 0x400 && SHMUTEX_INIT_ONCE == 0x800);
static_assert(SHMUTEX_INTERRUPTIBLE == 0x1);
static_assert(SHMUTEX_SIZE == 256 && SHMUTEX_ALIGN == 64 && SHMUTEX_MAX_DEPTH == 1048576);
static_assert(SHMUTEX_KIND_MUTEX == 0);
static_assert(SHMUTEX_STATE_FREE == 0 && SHMUTEX_STATE_HELD == 1 && SHMUTEX_STATE_OWNER_DIED == 2);
static_assert(SHMUTEX_STATE_POISONED == 3 && SHMUTEX_STATE_RETIRED == 4);

#define FIELD(type, name, offset) \
  static_assert(std::is_same_v<decltype(shmutex_info_t::name), type> && offsetof(shmutex_info_t, name) == offset)

FIELD(uint32_t, size, 0);
FIELD(uint32_t, state, 4);
FIELD(uint32_t, attributes, 8);
FIELD(uint32_t, waiters, 12);
FIELD(int32_t, owner_tid, 16);
FIELD(int32_t, owner_pid, 20);
FIELD(uint32_t, depth, 24);
FIELD(int32_t, last_dead_tid, 28);
FIELD(uint64_t, token, 32);
FIELD(uint64_t, contended, 40);
FIELD(uint64_t, recoveries, 48);
FIELD(uint32_t, same_boot, 56);
FIELD(uint32_t, same_pid_namespace, 60);
FIELD(uint64_t, links, 64);
FIELD(uint32_t, kind, 72);
FIELD(uint32_t, reserved, 76);
FIELD(uint64_t, owner_since, 80);
static_assert(sizeof(shmutex_info_t) >= 88 && alignof(shmutex_info_t) == 8);
