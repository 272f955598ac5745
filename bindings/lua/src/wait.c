/* How Ctrl-C gets through. The interpreter's handler of SIGINT sets a debug hook, which the virtual machine runs before
 * its next instruction. While a function waits for a lock there is no next instruction, so the wait runs the hook
 * itself. */
#include <signal.h>
#include <time.h>

#include "binding.h"

int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

#if LUA_VERSION_NUM >= 502
bool remember_main(lua_State *L) {
  (void)L;
  return true;
}

static lua_State *main_of(lua_State *L) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  lua_State *const main = lua_tothread(L, -1);
  lua_pop(L, 1);
  return main;
}
#else
static char main_key;

/* NULL: nothing of ours has ever run in it. */
static lua_State *main_of(lua_State *L) {
  lua_pushlightuserdata(L, &main_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  lua_State *const main = lua_tothread(L, -1);
  lua_pop(L, 1);
  return main;
}

bool remember_main(lua_State *L) {
  if (main_of(L) != NULL) return true;
  lua_pushlightuserdata(L, &main_key);
  const bool is_main = lua_pushthread(L) == 1;
  if (is_main)
    lua_rawset(L, LUA_REGISTRYINDEX);
  else
    lua_pop(L, 2);
  return is_main;
}
#endif

/* LuaJIT's hooks are for all coroutines, so there it does not matter which one is the main one. */
static bool is_sigint_handled(void) {
  struct sigaction action;
  return sigaction(SIGINT, NULL, &action) == 0 && action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN;
}

static bool is_sigint_default(void) {
  struct sigaction action;
  return sigaction(SIGINT, NULL, &action) == 0 && action.sa_handler == SIG_DFL;
}

struct before_wait before_wait(lua_State *L) {
  return (struct before_wait){.sigint_handled = main_of(L) == NULL && is_sigint_handled()};
}

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
void run_pending_hook(lua_State *L, const struct before_wait *before) {
  lua_State *const main = main_of(L);
  const lua_Hook own = lua_gethook(L);
  const lua_Hook mains = main != NULL ? lua_gethook(main) : own;
  if (mains == NULL || mains == own) {
    if (own != NULL) call_something(L);
    /* No hook of another coroutine can be seen from here. But before the interpreter's handler sets it, it makes the
     * next SIGINT kill the process. */
    if (before->sigint_handled && is_sigint_default()) luaL_error(L, "interrupted!");
    return;
  }
  /* The main coroutine is suspended until this one ends or yields: let the hook stop this one. */
  const int mask = lua_gethookmask(L);
  const int count = lua_gethookcount(L);
  lua_sethook(L, mains, lua_gethookmask(main), lua_gethookcount(main));
  lua_pushcfunction(L, do_nothing);
  const bool raised = lua_pcall(L, 0, 0, 0) != 0;
  lua_sethook(L, own, mask, count);
  if (raised) lua_error(L);
}
