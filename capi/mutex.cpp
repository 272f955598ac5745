// The C ABI of the mutex. See shmutex/mutex.h for the contract.
#include <shmutex/mutex.h>

#include <string.h>

#include "mutex/inspect.h"
#include "mutex/kind.h"
#include "mutex/mutex.h"
#include "object/close.h"
#include "object/memory.h"
#include "object/open.h"
#include "object/remove.h"
#include "shim.h"

namespace {

using shmutex::fail;
using shmutex::Lock;
using shmutex::Reason;
using shmutex::WaitMode;
using shmutex::capi::check_path;
using shmutex::capi::KeepErrno;
using shmutex::capi::refuse_flags;
using shmutex::capi::refuse_null;

constexpr unsigned attributes = SHMUTEX_RECURSIVE | SHMUTEX_FAIR;

static_assert(SHMUTEX_RECURSIVE == shmutex::attribute::recursive && SHMUTEX_FAIR == shmutex::attribute::fair);
static_assert(SHMUTEX_SIZE == sizeof(shmutex::Header) + sizeof(Lock) && SHMUTEX_ALIGN == shmutex::memory_alignment);
static_assert(SHMUTEX_KIND_MUTEX == shmutex::kind_number::mutex);
static_assert(SHMUTEX_MAX_DEPTH == shmutex::max_depth);
static_assert(SHMUTEX_STATE_FREE == static_cast<int>(shmutex::State::free));
static_assert(SHMUTEX_STATE_HELD == static_cast<int>(shmutex::State::held));
static_assert(SHMUTEX_STATE_OWNER_DIED == static_cast<int>(shmutex::State::owner_died));
static_assert(SHMUTEX_STATE_POISONED == static_cast<int>(shmutex::State::poisoned));
static_assert(SHMUTEX_STATE_RETIRED == static_cast<int>(shmutex::State::retired));
static_assert(sizeof(shmutex_info_t) == 88, "a field was added: shmutex_info() must go on filling in shorter ones");

Lock& lock_of(shmutex_t* m) { return *reinterpret_cast<Lock*>(m); }
const Lock& lock_of(const shmutex_t* m) { return *reinterpret_cast<const Lock*>(m); }
shmutex_t* handle_of(shmutex::Object* object) { return reinterpret_cast<shmutex_t*>(object); }

int report(const shmutex::Inspection& found, shmutex_info_t* info) {
  const uint32_t room = info->size;
  shmutex_info_t full{};
  full.size = room < sizeof full ? room : static_cast<uint32_t>(sizeof full);
  full.state = static_cast<uint32_t>(found.state);
  full.attributes = found.attributes;
  full.waiters = found.waiters;
  full.owner_tid = static_cast<int32_t>(found.owner_tid);
  full.owner_pid = static_cast<int32_t>(found.owner_pid);
  full.depth = found.depth;
  full.last_dead_tid = static_cast<int32_t>(found.last_dead_tid);
  full.token = found.token;
  full.contended = found.contended;
  full.recoveries = found.recoveries;
  full.same_boot = found.same_boot ? 1 : 0;
  full.same_pid_namespace = found.same_pid_namespace ? 1 : 0;
  full.links = found.links;
  full.kind = found.kind;
  full.owner_since = found.owner_since;
  memset(info, 0, room);
  memcpy(info, &full, full.size);
  return 0;
}

// Of version 1.0: what was compiled against it goes on when later versions add fields at the end.
constexpr uint32_t first_info_size = 88;
static_assert(sizeof(shmutex_info_t) >= first_info_size);

int check_info(const shmutex_info_t* info) {
  if (info == nullptr) return fail(EINVAL, Reason::null_argument);
  if (info->size < first_info_size) {
    return fail(EINVAL, Reason::bad_info_size, nullptr, info->size, sizeof(shmutex_info_t));
  }
  return 0;
}

}  // namespace

int shmutex_open(shmutex_t** out, const char* path, unsigned flags, unsigned mode) {
  const KeepErrno keep;
  if (out == nullptr) return refuse_null();
  *out = nullptr;
  if (const int error = check_path(path); error != 0) return error;
  constexpr unsigned exclusive = SHMUTEX_MUST_EXIST | SHMUTEX_MUST_CREATE;
  if ((flags & ~(attributes | exclusive | SHMUTEX_ANY_ATTR)) != 0 || (flags & exclusive) == exclusive) {
    return refuse_flags(flags);
  }
  if ((mode & ~0777u) != 0) return fail(EINVAL, Reason::bad_mode, nullptr, mode);
  using shmutex::Creation;
  const Creation creation = (flags & SHMUTEX_MUST_EXIST) != 0    ? Creation::never
                            : (flags & SHMUTEX_MUST_CREATE) != 0 ? Creation::always
                                                                 : Creation::if_missing;
  shmutex::Object* object = nullptr;
  const int error = shmutex::open_file(object, path,
                                       {.kind = shmutex::mutex_kind,
                                        .attributes = flags & attributes,
                                        .any_attributes = (flags & SHMUTEX_ANY_ATTR) != 0,
                                        .creation = creation,
                                        .mode = mode == 0 ? 0600 : mode});
  if (error == 0) *out = handle_of(object);
  return error;
}

int shmutex_unlink(const char* path, unsigned flags) {
  const KeepErrno keep;
  if (const int error = check_path(path); error != 0) return error;
  if (flags != 0) return refuse_flags(flags);
  return shmutex::unlink_file(path, shmutex::mutex_kind);
}

int shmutex_close(shmutex_t* m) {
  const KeepErrno keep;
  if (m == nullptr) return refuse_null();
  return shmutex::close_object(lock_of(m), shmutex::mutex_kind);
}

int shmutex_lock(shmutex_t* m) {
  if (shmutex::unlikely(m == nullptr)) return refuse_null();
  return shmutex::acquire(lock_of(m), -1, WaitMode::wait);
}

int shmutex_trylock(shmutex_t* m) {
  if (shmutex::unlikely(m == nullptr)) return refuse_null();
  return shmutex::acquire(lock_of(m), 0, WaitMode::try_once);
}

int shmutex_timedlock(shmutex_t* m, int64_t timeout_ns) {
  if (shmutex::unlikely(m == nullptr)) return refuse_null();
  return shmutex::acquire(lock_of(m), timeout_ns, WaitMode::wait);
}

int shmutex_acquire(shmutex_t* m, int64_t timeout_ns, unsigned flags) {
  if (shmutex::unlikely(m == nullptr)) return refuse_null();
  if (shmutex::unlikely((flags & ~static_cast<unsigned>(SHMUTEX_INTERRUPTIBLE)) != 0)) return refuse_flags(flags);
  return shmutex::acquire(lock_of(m), timeout_ns, flags == 0 ? WaitMode::wait : WaitMode::wait_interruptible);
}

int shmutex_unlock(shmutex_t* m) {
  if (shmutex::unlikely(m == nullptr)) return refuse_null();
  return shmutex::release(lock_of(m));
}

int shmutex_consistent(shmutex_t* m) {
  const KeepErrno keep;
  if (m == nullptr) return refuse_null();
  return shmutex::consistent(lock_of(m));
}

int shmutex_poison(shmutex_t* m) {
  const KeepErrno keep;
  if (m == nullptr) return refuse_null();
  return shmutex::poison(lock_of(m));
}

size_t shmutex_size(void) { return SHMUTEX_SIZE; }

int shmutex_init(void* mem, size_t len, unsigned flags) {
  const KeepErrno keep;
  if ((flags & ~attributes) != 0) return refuse_flags(flags);
  return shmutex::init_memory(mem, len, shmutex::mutex_kind, flags);
}

int shmutex_attach(shmutex_t** out, void* mem, size_t len, unsigned flags) {
  const KeepErrno keep;
  if (out == nullptr) return refuse_null();
  *out = nullptr;
  if ((flags & ~(attributes | SHMUTEX_ANY_ATTR | SHMUTEX_INIT_ONCE)) != 0) return refuse_flags(flags);
  shmutex::Object* object = nullptr;
  const int error = shmutex::attach_memory(object, mem, len,
                                           {.kind = shmutex::mutex_kind,
                                            .attributes = flags & attributes,
                                            .any_attributes = (flags & SHMUTEX_ANY_ATTR) != 0,
                                            .initialise = (flags & SHMUTEX_INIT_ONCE) != 0});
  if (error == 0) *out = handle_of(object);
  return error;
}

int shmutex_destroy(void* mem, size_t len) {
  const KeepErrno keep;
  return shmutex::destroy_memory(mem, len, shmutex::mutex_kind);
}

int shmutex_is_owned(const shmutex_t* m) { return m != nullptr && shmutex::is_owned(lock_of(m)) ? 1 : 0; }

uint64_t shmutex_token(const shmutex_t* m) { return m == nullptr ? 0 : shmutex::load_relaxed(lock_of(m).shared.token); }

int shmutex_info(const shmutex_t* m, shmutex_info_t* info) {
  const KeepErrno keep;
  if (m == nullptr) return refuse_null();
  if (const int error = check_info(info); error != 0) return error;
  return report(shmutex::inspect(lock_of(m)), info);
}

int shmutex_inspect(const char* path, shmutex_info_t* info) {
  const KeepErrno keep;
  if (const int error = check_path(path); error != 0) return error;
  if (const int error = check_info(info); error != 0) return error;
  shmutex::Inspection found{};
  if (const int error = shmutex::inspect_file(path, found); error != 0) return error;
  return report(found, info);
}
