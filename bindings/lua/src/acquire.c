/* Acquire and release. Nothing here raises while holding a lock that the caller was not told of. */
#include <shmutex/detail/recovery.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "binding.h"

static const int64_t forever = INT64_MAX;

/* A signal handler that ran just before a wait is not noticed by it, and a hook set by another thread never is. This
 * bounds how late they are. */
static const int64_t slice_ns = 1000000000;

/* Seconds at index as nanoseconds; -1, no limit, if there are none. */
static int64_t check_timeout(lua_State *L, int index) {
  if (LIKELY(lua_isnoneornil(L, index))) return -1;
  const lua_Number seconds = luaL_checknumber(L, index);
  if (!(seconds >= 0)) luaL_argerror(L, index, "seconds, 0 or more, expected");
  const lua_Number ns = seconds * 1e9;
  if (ns >= 9.2e18) return -1;
  const int64_t whole = (int64_t)ns;
  return (lua_Number)whole < ns ? whole + 1 : whole; /* never shorter than asked for */
}

/* A fair wait that can be interrupted gives up its place in the queue ten times a second. Only the main thread gets the
 * interpreter's signals, so only it pays for that. */
static bool is_interruptible(const SharedMutex *m) { return !m->fair || syscall(SYS_gettid) == getpid(); }

static int wait_once(const SharedMutex *m, int64_t deadline) {
  if (!is_interruptible(m)) {
    if (deadline == forever) return shmutex_lock(m->handle);
    const int64_t left = deadline - now_ns();
    return shmutex_timedlock(m->handle, left < 0 ? 0 : left);
  }
  int64_t left = slice_ns;
  if (deadline != forever) {
    left = deadline - now_ns();
    if (left < 0) left = 0;
    if (left > slice_ns) left = slice_ns;
  }
  return shmutex_acquire(m->handle, left, SHMUTEX_INTERRUPTIBLE);
}

/* The lock at index was acquired with EOWNERDEAD. Returns 0, held; or why not, not held. Raises what the function
 * raises. */
static int recover(lua_State *L, SharedMutex *m, int index) {
  if (!m->recovers) return shmutex_settle_death(m->handle, SHMUTEX_VERDICT_LEAVE);
  mutex_push_recover(L, index);
  lua_pushvalue(L, index);
  const bool raised = lua_pcall(L, 1, 1, 0) != 0;
  if (m->handle == NULL) return raised ? lua_error(L) : raise_closed(L); /* the function released and closed it */
  if (raised) {
    shmutex_settle_death(m->handle, SHMUTEX_VERDICT_LEAVE);
    return lua_error(L);
  }
  const bool refused = lua_isboolean(L, -1) && !lua_toboolean(L, -1);
  lua_pop(L, 1);
  return shmutex_settle_death(m->handle, refused ? SHMUTEX_VERDICT_POISON : SHMUTEX_VERDICT_REPAIRED);
}

/* What is left to do after a first attempt that did not get the lock just so. `hook` is what the interpreter's was
 * before. */
static COLD int acquire_slowly(lua_State *L, SharedMutex *m, int index, int64_t deadline, int code, lua_Hook hook) {
  const struct before_wait before = before_wait(L);
  if (code == EBUSY) code = EINTR; /* it was only tried */
  for (;;) {
    if (code == EINTR || (code == ETIMEDOUT && now_ns() < deadline)) {
      run_pending_hook(L, &before);
      if (m->handle == NULL) return raise_closed(L); /* by the hook */
      hook = lua_gethook(L);
      code = wait_once(m, deadline);
    } else if (code == 0 && lua_gethook(L) != hook) {
      /* Interrupted just as the lock came free. The interpreter would raise before the caller can note that it has
       * it. */
      (void)shmutex_unlock(m->handle);
      code = EINTR;
    } else {
      return code == EOWNERDEAD ? recover(L, m, index) : code;
    }
  }
}

/* Returns 0, or why the lock is not held. */
static inline int acquire(lua_State *L, SharedMutex *m, int index, int64_t timeout_ns) {
  int64_t deadline = forever;
  int64_t left = slice_ns;
  if (UNLIKELY(timeout_ns >= 0)) {
    const int64_t now = now_ns();
    deadline = timeout_ns < forever - now ? now + timeout_ns : forever;
    if (timeout_ns < slice_ns) left = timeout_ns;
  }
  const lua_Hook hook = lua_gethook(L);
  const int code =
      m->tries_first ? shmutex_trylock(m->handle) : shmutex_acquire(m->handle, left, SHMUTEX_INTERRUPTIBLE);
  return LIKELY(code == 0 && lua_gethook(L) == hook) ? 0 : acquire_slowly(L, m, index, deadline, code, hook);
}

static inline int push_done(lua_State *L, int code) {
  if (UNLIKELY(code != 0)) return push_failure(L, code);
  lua_pushboolean(L, 1);
  return 1;
}

int mutex_lock(lua_State *L) {
  SharedMutex *const m = mutex_self(L);
  return push_done(L, acquire(L, m, 1, check_timeout(L, 2)));
}

int mutex_trylock(lua_State *L) {
  SharedMutex *const m = mutex_self(L);
  const int code = shmutex_trylock(m->handle);
  return push_done(L, UNLIKELY(code == EOWNERDEAD) ? recover(L, m, 1) : code);
}

int mutex_unlock(lua_State *L) { return push_done(L, shmutex_unlock(mutex_self(L)->handle)); }

/* When an error is on its way already, which says more. */
static COLD void warn_of_failure(lua_State *L, int code) {
#if SHMUTEX_LUA_HAS_CLOSE
  const struct message message = message_of(code);
  lua_warning(L, "shmutex: ", 1);
  lua_warning(L, message.text, 0);
#else
  (void)L, (void)code;
#endif
}

#if SHMUTEX_LUA_HAS_CLOSE
int mutex_guard(lua_State *L) {
  SharedMutex *const m = mutex_self(L);
  const int code = acquire(L, m, 1, check_timeout(L, 2));
  if (UNLIKELY(code != 0)) return raise_failure(L, code);
  mutex_push_guard(L, 1);
  return 1;
}

/* The block was left with the lock not held: the program released it itself, or some process overwrote the lock. */
static COLD int refuse_close(lua_State *L, int code) {
  if (lua_isnoneornil(L, 2)) return raise_failure(L, code);
  warn_of_failure(L, code);
  return 0;
}

/* __close(guard, error) */
int guard_close(lua_State *L) {
  if (UNLIKELY(lua_touserdata(L, 1) == NULL || lua_getmetatable(L, 1) == 0 ||
               lua_rawequal(L, -1, lua_upvalueindex(1)) == 0)) {
    luaL_checkudata(L, 1, GUARD_TYPE);
  }
  const SharedMutex *const m = *(SharedMutex **)lua_touserdata(L, 1);
  if (m == NULL) return 0; /* with() has unlocked */
  if (UNLIKELY(m->handle == NULL)) return lua_isnoneornil(L, 2) ? raise_closed(L) : 0;
  const int code = shmutex_unlock(m->handle);
  return LIKELY(code == 0) ? 0 : refuse_close(L, code);
}
#else
int mutex_guard(lua_State *L) {
  (void)mutex_self(L);
  return luaL_error(
      L, "guard() needs the to-be-closed variables of Lua 5.4; use with(), which does the same for a function");
}
#endif

/* with(mutex, function, …). Unlocking is not left to anything that the interpreter calls, where a hook (Ctrl-C) could
 * come first. But coroutine.close(), of a coroutine that yielded in the function, calls only what is to be closed; so
 * in a coroutine there is a guard, too. */
#if SHMUTEX_LUA_HAS_CLOSE
/* Puts nil, or a guard that is not armed yet, below the function. */
static SharedMutex **insert_guard(lua_State *L) {
  SharedMutex **guard = NULL;
  if (lua_pushthread(L) != 0)
    lua_pushnil(L);
  else
    guard = mutex_new_guard(L, 1);
  lua_replace(L, -2);
  lua_insert(L, 2);
  return guard;
}

static void arm_guard(lua_State *L, SharedMutex **guard, SharedMutex *m) {
  if (guard == NULL) return;
  *guard = m;
  lua_toclose(L, 2);
}

static void disarm_guard(lua_State *L) {
  SharedMutex **const guard = (SharedMutex **)lua_touserdata(L, 2);
  if (guard != NULL) *guard = NULL;
}
#else
static SharedMutex **insert_guard(lua_State *L) {
  lua_pushnil(L);
  lua_insert(L, 2);
  return NULL;
}
static void arm_guard(lua_State *L, SharedMutex **guard, SharedMutex *m) { (void)L, (void)guard, (void)m; }
static void disarm_guard(lua_State *L) { (void)L; }
#endif

/* The function has returned, its results from index 3 on; or failed, its error on top. */
static int finish_with(lua_State *L, bool failed) {
  const SharedMutex *const m = (const SharedMutex *)lua_touserdata(L, 1);
  const int code = m->handle != NULL ? shmutex_unlock(m->handle) : EBADF;
  disarm_guard(L);
  if (UNLIKELY(failed)) {
    if (code != 0 && code != EBADF) warn_of_failure(L, code);
    return lua_error(L);
  }
  if (UNLIKELY(code != 0)) return code == EBADF ? raise_closed(L) : raise_failure(L, code);
  return lua_gettop(L) - 2;
}

#if LUA_VERSION_NUM >= 503
static int continue_with(lua_State *L, int status, lua_KContext context) {
  (void)context;
  return finish_with(L, status != LUA_OK && status != LUA_YIELD);
}
#elif LUA_VERSION_NUM == 502
static int continue_with(lua_State *L) { return finish_with(L, lua_getctx(L, NULL) != LUA_YIELD); }
#else
#define lua_pcallk(L, arguments, results, handler, context, next) lua_pcall(L, arguments, results, handler)
#endif

int mutex_with(lua_State *L) {
  SharedMutex *const m = mutex_self(L);
  if (UNLIKELY(!is_callable(L, 2))) luaL_checktype(L, 2, LUA_TFUNCTION);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  SharedMutex **const guard = insert_guard(L);
  const int code = acquire(L, m, 1, -1);
  if (UNLIKELY(code != 0)) return push_failure(L, code);
  arm_guard(L, guard, m);
  return finish_with(L, lua_pcallk(L, lua_gettop(L) - 3, LUA_MULTRET, 0, 0, continue_with) != 0);
}
