/* `require "shmutex"`: open() and its options, and the two tables, functions and methods, that programs see. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "binding.h"
#include "mutex_options.h"

const char *check_path(lua_State *L, int index) {
  size_t length = 0;
  const char *const path = luaL_checklstring(L, index, &length);
  if (strlen(path) != length) luaL_argerror(L, index, "path contains a zero byte");
  return path;
}

bool is_callable(lua_State *L, int index) {
  if (lua_isfunction(L, index)) return true;
  if (luaL_getmetafield(L, index, "__call") == 0) return false;
  lua_pop(L, 1);
  return true;
}

struct options {
  bool recursive;
  bool fair;
  enum shmutex_exist exist;
  unsigned mode;
  int recover; /* index, or 0 */
};

static bool option_boolean(lua_State *L, const char *name) {
  if (!lua_isboolean(L, -1)) luaL_error(L, "option '%s': boolean expected, got %s", name, luaL_typename(L, -1));
  return lua_toboolean(L, -1) != 0;
}

/* Lua has no octal numbers, so a string is taken as one: "640". */
static unsigned option_mode(lua_State *L) {
  if (lua_type(L, -1) == LUA_TNUMBER) {
    const lua_Number mode = lua_tonumber(L, -1);
    if (mode > 0 && mode <= 0777 && mode == (lua_Number)(unsigned)mode) return (unsigned)mode;
  } else if (lua_type(L, -1) == LUA_TSTRING) {
    const char *const text = lua_tostring(L, -1);
    const size_t digits = strspn(text, "01234567");
    if (digits > 0 && digits <= 4 && text[digits] == '\0') {
      const unsigned long mode = strtoul(text, NULL, 8);
      if (mode > 0 && mode <= 0777) return (unsigned)mode;
    }
  }
  return (unsigned)luaL_error(
      L, "option 'mode': permission bits expected, not 0, as a number or as an octal string such as \"640\"");
}

/* The options in the table at index, which stays; a recovery function is left on the stack. */
static struct options check_options(lua_State *L, int index) {
  struct options found = {.recursive = false, .fair = false, .exist = SHMUTEX_EXIST_ANY, .mode = 0, .recover = 0};
  if (lua_isnoneornil(L, index)) return found;
  luaL_checktype(L, index, LUA_TTABLE);
  lua_pushnil(L);
  while (lua_next(L, index) != 0) {
    const char *const name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
    if (strcmp(name, "recursive") == 0)
      found.recursive = option_boolean(L, name);
    else if (strcmp(name, "fair") == 0)
      found.fair = option_boolean(L, name);
    else if (strcmp(name, "exist") == 0)
      found.exist = option_boolean(L, name) ? SHMUTEX_EXIST_YES : SHMUTEX_EXIST_NO;
    else if (strcmp(name, "mode") == 0)
      found.mode = option_mode(L);
    else if (strcmp(name, "recover") != 0)
      luaL_error(L, "there is no option '%s'", name);
    else if (!is_callable(L, lua_gettop(L)))
      luaL_error(L, "option 'recover': function expected, got %s", luaL_typename(L, -1));
    lua_pop(L, 1);
  }
  lua_pushliteral(L, "recover");
  lua_rawget(L, index); /* as lua_next() saw it */
  if (!lua_isnil(L, -1)) found.recover = lua_gettop(L);
  return found;
}

static int module_open(lua_State *L) {
  const bool knows_main = remember_main(L);
  const char *const path = check_path(L, 1);
  const struct options wanted = check_options(L, 2);
  SharedMutex *const m = mutex_new(L, path, wanted.recover);
  const int code =
      shmutex_open(&m->handle, path, shmutex_open_flags(wanted.recursive, wanted.fair, wanted.exist), wanted.mode);
  if (code != 0) return push_failure(L, code);
  m->fair = wanted.fair;
  /* A fair wait has a choice of ways; and the moment before a wait has to be known, to say what happened in it. */
  m->tries_first = wanted.fair || !knows_main;
  return 1;
}

/* SWIG's part, for whose tables all Lua states of the process race; it also sets two global variables, which we do
 * not. */
static void open_swig(lua_State *L) {
  static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
  static const char *const globals[] = {"swig_type", "swig_equals"};
  enum { count = sizeof globals / sizeof globals[0] };
#if LUA_VERSION_NUM >= 502
  lua_pushglobaltable(L);
#else
  lua_pushvalue(L, LUA_GLOBALSINDEX);
#endif
  const int global = lua_gettop(L);
  for (int i = 0; i < count; ++i) {
    lua_pushstring(L, globals[i]);
    lua_rawget(L, global);
  }
  lua_pushcfunction(L, luaopen_shmutex_swig);
  pthread_mutex_lock(&one_at_a_time);
  const int status = lua_pcall(L, 0, 1, 0);
  pthread_mutex_unlock(&one_at_a_time);
  if (status != 0) lua_error(L);
  for (int i = 0; i < count; ++i) {
    lua_pushstring(L, globals[i]);
    lua_pushvalue(L, global + 1 + i);
    lua_rawset(L, global);
  }
  lua_replace(L, global);
  lua_settop(L, global);
}

static void add_functions(lua_State *L, const luaL_Reg *functions) {
  for (; functions->name != NULL; ++functions) {
    lua_pushcfunction(L, functions->func);
    lua_setfield(L, -2, functions->name);
  }
}

static void make_guard_type(lua_State *L) {
#if SHMUTEX_LUA_HAS_CLOSE
  luaL_newmetatable(L, GUARD_TYPE);
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, guard_close, 1);
  lua_setfield(L, -2, "__close");
  lua_pop(L, 1);
#else
  (void)L;
#endif
}

/* SWIG's methods, the hot ones replaced, in a plain table: the interpreter then finds them without calling anything. */
static void make_mutex_type(lua_State *L, int swig) {
  static const luaL_Reg metamethods[] = {
      {"__gc", mutex_collect}, {"__close", mutex_collect}, {"__tostring", mutex_tostring}, {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"lock", mutex_lock}, {"trylock", mutex_trylock}, {"unlock", mutex_unlock}, {"guard", mutex_guard},
      {"with", mutex_with}, {"close", mutex_close},     {"path", mutex_path},     {NULL, NULL}};
  luaL_newmetatable(L, MUTEX_TYPE);
  add_functions(L, metamethods);
  lua_pushliteral(L, MUTEX_TYPE);
  lua_setfield(L, -2, "__name");
  lua_newtable(L);
  lua_getfield(L, swig, "methods");
  for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
    if (strncmp(lua_tostring(L, -2), "__", 2) == 0) continue; /* SWIG's own */
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_settable(L, -6);
  }
  lua_pop(L, 1);
  add_functions(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

__attribute__((visibility("default"))) int luaopen_shmutex(lua_State *L);

int luaopen_shmutex(lua_State *L) {
  static const char *const from_swig[] = {"inspect", "unlink"};
  static const luaL_Reg functions[] = {{"open", module_open}, {NULL, NULL}};
  remember_main(L);
  open_swig(L);
  const int swig = lua_gettop(L);
  make_guard_type(L);
  make_mutex_type(L, swig);
  lua_newtable(L);
  for (size_t i = 0; i < sizeof from_swig / sizeof from_swig[0]; ++i) {
    lua_getfield(L, swig, from_swig[i]);
    lua_setfield(L, -2, from_swig[i]);
  }
  add_functions(L, functions);
  push_errno_table(L);
  lua_setfield(L, -2, "errno");
  lua_pushstring(L, shmutex_version());
  lua_setfield(L, -2, "_VERSION");
  return 1;
}
