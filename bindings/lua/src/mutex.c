/* The object: its memory, what hangs on it, and its end. */
#include <string.h>

#include "binding.h"
#include "mutex_options.h"

#if LUA_VERSION_NUM >= 504
enum { GUARD = 1, RECOVER = 2 }; /* user values */

static SharedMutex *allocate(lua_State *L, size_t size) { return (SharedMutex *)lua_newuserdatauv(L, size, 2); }

SharedMutex **mutex_new_guard(lua_State *L, int index) {
  SharedMutex **const guard = (SharedMutex **)lua_newuserdatauv(L, sizeof *guard, 1);
  *guard = NULL;
  lua_pushvalue(L, index);
  lua_setiuservalue(L, -2, 1);
  luaL_setmetatable(L, GUARD_TYPE);
  return guard;
}

/* What guard() returns is always the same object, which costs nothing to hand out, and cannot fail to be made. */
static void add_guard(lua_State *L) {
  SharedMutex *const m = (SharedMutex *)lua_touserdata(L, -1);
  *mutex_new_guard(L, lua_gettop(L)) = m;
  lua_setiuservalue(L, -2, GUARD);
}

static void set_recover(lua_State *L, int recover) {
  lua_pushvalue(L, recover);
  lua_setiuservalue(L, -2, RECOVER);
}

void mutex_push_recover(lua_State *L, int index) { lua_getiuservalue(L, index, RECOVER); }
void mutex_push_guard(lua_State *L, int index) { lua_getiuservalue(L, index, GUARD); }

#else
#if LUA_VERSION_NUM == 501
#define lua_setuservalue lua_setfenv
#define lua_getuservalue lua_getfenv
#endif

static SharedMutex *allocate(lua_State *L, size_t size) { return (SharedMutex *)lua_newuserdata(L, size); }

static void add_guard(lua_State *L) { (void)L; }

static void set_recover(lua_State *L, int recover) {
  lua_createtable(L, 1, 0);
  lua_pushvalue(L, recover);
  lua_rawseti(L, -2, 1);
  lua_setuservalue(L, -2);
}

void mutex_push_recover(lua_State *L, int index) {
  lua_getuservalue(L, index);
  lua_rawgeti(L, -1, 1);
  lua_remove(L, -2);
}
#endif

const char mutex_mark = 0;

SharedMutex *mutex_new(lua_State *L, const char *path, int recover) {
  const size_t length = strlen(path) + 1;
  SharedMutex *const m = allocate(L, sizeof *m + length);
  m->mark = NULL;
  m->handle = NULL;
  m->fair = false;
  m->tries_first = false;
  m->recovers = recover != 0;
  memcpy(m->path, path, length);
  luaL_getmetatable(L, MUTEX_TYPE);
  lua_setmetatable(L, -2);
  m->mark = &mutex_mark; /* from here on, collection takes it off */
  if (m->recovers) set_recover(L, recover);
  add_guard(L);
  return m;
}

COLD SharedMutex *mutex_check(lua_State *L, int index) {
  SharedMutex *const m = (SharedMutex *)luaL_checkudata(L, index, MUTEX_TYPE);
  if (m->handle == NULL) raise_closed(L);
  return m;
}

static COLD int refuse_close_of_held(lua_State *L, const SharedMutex *m) {
  lua_pushnil(L);
  lua_pushfstring(L, "%s is held by the calling thread; unlock it first", m->path);
  lua_pushinteger(L, EBUSY);
  return 3;
}

int mutex_close(lua_State *L) {
  SharedMutex *const m = (SharedMutex *)luaL_checkudata(L, 1, MUTEX_TYPE);
  if (m->handle != NULL) {
    /* Whatever other handles there are, through which it could be unlocked: who is to unlock it, with() or guard(), may
     * have this one. */
    if (shmutex_is_owned(m->handle) != 0) return refuse_close_of_held(L, m);
    const int code = shmutex_close(m->handle);
    if (code != 0) return push_failure(L, code);
    m->handle = NULL;
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* __gc and __close. A lock that is still held keeps its mapping: nothing becomes undefined, and the end of the thread
 * or process counts as the owner's death. */
int mutex_collect(lua_State *L) {
  SharedMutex *const m = (SharedMutex *)luaL_checkudata(L, 1, MUTEX_TYPE);
  m->mark = NULL;
  if (m->handle == NULL) return 0;
  const int code = shmutex_close(m->handle);
  m->handle = NULL;
#if SHMUTEX_LUA_HAS_CLOSE
  if (code == EBUSY) {
    lua_warning(L, "shmutex: ", 1);
    lua_warning(L, m->path, 1);
    lua_warning(
        L,
        " was closed or collected while it is held; it stays held until its owner ends, which then counts as a death",
        0);
  }
#else
  (void)code;
#endif
  return 0;
}

int mutex_path(lua_State *L) {
  const SharedMutex *const m = (const SharedMutex *)luaL_checkudata(L, 1, MUTEX_TYPE);
  lua_pushstring(L, m->path);
  return 1;
}

int mutex_tostring(lua_State *L) {
  const SharedMutex *const m = (const SharedMutex *)luaL_checkudata(L, 1, MUTEX_TYPE);
  shmutex_info_t info = {.size = sizeof info};
  if (m->handle == NULL || shmutex_info(m->handle, &info) != 0) {
    lua_pushfstring(L, MUTEX_TYPE " (%s, closed)", m->path);
  } else if (info.state == SHMUTEX_STATE_HELD && info.owner_pid != 0) {
    lua_pushfstring(L, MUTEX_TYPE " (%s, held by process %d)", m->path, (int)info.owner_pid);
  } else {
    lua_pushfstring(L, MUTEX_TYPE " (%s, %s)", m->path, shmutex_state_name(info.state));
  }
  return 1;
}
