/* What tests do to the interpreter itself: hooks set by signal handlers, as Ctrl-C does, and memory that runs out. A
 * Lua module. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

/* on_signal(number, f): when the signal comes, f() is called from a hook, as the interpreter's handler of SIGINT raises
 * its error. Unlike that one, it goes on doing so. To be called in the main coroutine. */
static lua_State *main_state;
static char function_key;

static void call_function(lua_State *L, lua_Debug *event) {
  (void)event;
  lua_sethook(L, NULL, 0, 0);
  lua_sethook(main_state, NULL, 0, 0); /* where this was lent to another coroutine */
  lua_pushlightuserdata(L, &function_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  lua_call(L, 0, 0);
}

static void set_hook(int number) {
  (void)number;
  lua_sethook(main_state, call_function, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
}

static int interpreter_on_signal(lua_State *L) {
  struct sigaction action = {.sa_handler = set_hook};
  lua_pushlightuserdata(L, &function_key);
  lua_pushvalue(L, 2);
  lua_rawset(L, LUA_REGISTRYINDEX);
  main_state = L;
  if (sigaction((int)luaL_checkinteger(L, 1), &action, NULL) != 0) return luaL_error(L, "sigaction");
  return 0;
}

/* block(number, whether): holds the signal back, or lets it in */
static int interpreter_block(lua_State *L) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, (int)luaL_checkinteger(L, 1));
  pthread_sigmask(lua_toboolean(L, 2) ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
  return 0;
}

/* starve(code, argument …): runs the code in a Lua state of its own. There fail_at(n) makes the n-th request for memory
 * from then on fail, counted from 0, and enough() makes no more fail, and tells whether one did. */
struct memory {
  lua_Alloc real;
  void *real_data;
  lua_Integer left; /* requests until one fails; < 0: none will */
  bool failed;
};

static void *allocate(void *data, void *block, size_t old_size, size_t size) {
  struct memory *const memory = (struct memory *)data;
  if (size != 0 && (block == NULL || size > old_size) && memory->left >= 0 && memory->left-- == 0) {
    memory->failed = true;
    return NULL;
  }
  return memory->real(memory->real_data, block, old_size, size);
}

static struct memory *memory_of(lua_State *L) { return (struct memory *)lua_touserdata(L, lua_upvalueindex(1)); }

static int fail_at(lua_State *L) {
  struct memory *const memory = memory_of(L);
  memory->failed = false;
  memory->left = luaL_checkinteger(L, 1);
  return 0;
}

static int enough(lua_State *L) {
  struct memory *const memory = memory_of(L);
  memory->left = -1;
  lua_pushboolean(L, memory->failed);
  return 1;
}

static void set_search_path(lua_State *from, lua_State *to, const char *name) {
  lua_getglobal(from, "package");
  lua_getfield(from, -1, name);
  lua_getglobal(to, "package");
  lua_pushstring(to, lua_tostring(from, -1));
  lua_setfield(to, -2, name);
  lua_pop(to, 1);
  lua_pop(from, 2);
}

static int interpreter_starve(lua_State *L) {
  struct memory memory = {.left = -1};
  const char *const code = luaL_checkstring(L, 1);
  const int count = lua_gettop(L) - 1;
  lua_State *const hungry = luaL_newstate();
  if (hungry == NULL) return luaL_error(L, "no memory for a Lua state");
  luaL_openlibs(hungry);
  set_search_path(L, hungry, "path");
  set_search_path(L, hungry, "cpath");
  memory.real = lua_getallocf(hungry, &memory.real_data);
  lua_setallocf(hungry, allocate, &memory);
  lua_pushlightuserdata(hungry, &memory);
  lua_pushcclosure(hungry, fail_at, 1);
  lua_setglobal(hungry, "fail_at");
  lua_pushlightuserdata(hungry, &memory);
  lua_pushcclosure(hungry, enough, 1);
  lua_setglobal(hungry, "enough");
  bool failed = luaL_loadstring(hungry, code) != 0;
  if (!failed) {
    for (int i = 0; i < count; ++i) lua_pushstring(hungry, luaL_checkstring(L, i + 2));
    failed = lua_pcall(hungry, count, 1, 0) != 0;
  }
  memory.left = -1;
  lua_pushstring(L, lua_tostring(hungry, -1));
  lua_setallocf(hungry, memory.real, memory.real_data);
  lua_close(hungry);
  return failed ? lua_error(L) : 1;
}

int luaopen_interpreter(lua_State *L);

int luaopen_interpreter(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"on_signal", interpreter_on_signal}, {"block", interpreter_block}, {"starve", interpreter_starve}};
  lua_newtable(L);
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; ++i) {
    lua_pushcfunction(L, functions[i].func);
    lua_setfield(L, -2, functions[i].name);
  }
  return 1;
}
