/* The yardstick: what is written by hand where lock and unlock are needed, and nothing else. Beside it, the floor:
 * the same without looking at the argument, which crashes on a wrong one. */
#include <lauxlib.h>
#include <lua.h>
#include <shmutex/shmutex.h>

#define TYPE "handwritten.mutex"

static shmutex_t *self(lua_State *L) { return *(shmutex_t **)luaL_checkudata(L, 1, TYPE); }

static int answer(lua_State *L, int code) {
  if (code == 0) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushnil(L);
  lua_pushstring(L, shmutex_error_detail());
  lua_pushinteger(L, code);
  return 3;
}

static int lock(lua_State *L) { return answer(L, shmutex_lock(self(L))); }
static int unlock(lua_State *L) { return answer(L, shmutex_unlock(self(L))); }

static shmutex_t *unchecked(lua_State *L) { return *(shmutex_t **)lua_touserdata(L, 1); }
static int unchecked_lock(lua_State *L) { return answer(L, shmutex_lock(unchecked(L))); }
static int unchecked_unlock(lua_State *L) { return answer(L, shmutex_unlock(unchecked(L))); }

static int collect(lua_State *L) {
  (void)shmutex_close(self(L));
  return 0;
}

static int open(lua_State *L) {
  shmutex_t **const mutex = (shmutex_t **)lua_newuserdata(L, sizeof *mutex);
  const int code = shmutex_open(mutex, luaL_checkstring(L, 1), 0, 0);
  if (code != 0) return answer(L, code);
  luaL_getmetatable(L, TYPE);
  lua_setmetatable(L, -2);
  return 1;
}

int luaopen_handwritten(lua_State *L);

int luaopen_handwritten(lua_State *L) {
  luaL_newmetatable(L, TYPE);
  lua_pushcfunction(L, collect);
  lua_setfield(L, -2, "__gc");
  lua_newtable(L);
  lua_pushcfunction(L, lock);
  lua_setfield(L, -2, "lock");
  lua_pushcfunction(L, unlock);
  lua_setfield(L, -2, "unlock");
  lua_pushcfunction(L, unchecked_lock);
  lua_setfield(L, -2, "unchecked_lock");
  lua_pushcfunction(L, unchecked_unlock);
  lua_setfield(L, -2, "unchecked_unlock");
  lua_setfield(L, -2, "__index");
  lua_newtable(L);
  lua_pushcfunction(L, open);
  lua_setfield(L, -2, "open");
  return 1;
}
