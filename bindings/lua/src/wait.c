/* How Ctrl-C gets through. The interpreter's handler of SIGINT sets a debug hook, which the virtual machine runs before its
 * next instruction. While a function waits for a lock there is no next instruction, so the wait runs the hook itself. */
#include <time.h>

#include "binding.h"

int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

#if LUA_VERSION_NUM >= 502
void remember_main(lua_State *L) { (void)L; }

static lua_State *main_of(lua_State *L) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  lua_State *const main = lua_tothread(L, -1);
  lua_pop(L, 1);
  return main;
}
#else
static char main_key;

void remember_main(lua_State *L) {
  lua_pushlightuserdata(L, &main_key);
  if (lua_pushthread(L) == 1)
    lua_rawset(L, LUA_REGISTRYINDEX);
  else
    lua_pop(L, 2);
}

static lua_State *main_of(lua_State *L) {
  lua_pushlightuserdata(L, &main_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  lua_State *const main = lua_tothread(L, -1);
  lua_pop(L, 1);
  return main != NULL ? main : L;
}
#endif

static int do_nothing(lua_State *L) {
  (void)L;
  return 0;
}

/* A call is what makes the interpreter look at its hook. */
static void call_something(lua_State *L) {
  lua_pushcfunction(L, do_nothing);
  lua_call(L, 0, 0);
}

/* The handler sets the hook of the main coroutine, which may not be the one that waits. */
void run_pending_hook(lua_State *L) {
  lua_State *const main = main_of(L);
  const lua_Hook mains = lua_gethook(main);
  const lua_Hook own = lua_gethook(L);
  if (mains == NULL || mains == own) {
    if (own != NULL) call_something(L);
    return;
  }
  /* The main coroutine is suspended until this one ends or yields: let the hook stop this one. If it raises, it has said
   * what it had to say, and the interpreter's own has removed itself. */
  const int mask = lua_gethookmask(L);
  const int count = lua_gethookcount(L);
  lua_sethook(L, mains, lua_gethookmask(main), lua_gethookcount(main));
  call_something(L);
  lua_sethook(L, own, mask, count);
}
