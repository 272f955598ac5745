/* Results and failures as Lua's io library has them: a value, or nil, a message and an errno value. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "binding.h"

/* The library's advice names what a C program would write. */
static const struct {
  const char *c;
  const char *lua;
} words[] = {
    {"Leave SHMUTEX_MUST_CREATE out to open it", "Leave exist = false out to open it"},
    {"open it without SHMUTEX_MUST_EXIST", "open it without exist = true"},
    {", or pass SHMUTEX_ANY_ATTR", ""},
    {"create it with SHMUTEX_RECURSIVE", "create it with recursive = true"},
    {"Repair it and call shmutex_consistent()", "Open the lock with a recover function, which repairs it"},
    {"with shmutex_unlink() (memory: shmutex_init())", "with shmutex.unlink()"},
};

/* Replaces the first c in text by lua. The text does not grow past its size. */
static void replace(char *text, size_t size, const char *c, const char *lua) {
  char *const found = strstr(text, c);
  const size_t old_length = strlen(c);
  const size_t new_length = strlen(lua);
  if (found == NULL || strlen(text) - old_length + new_length >= size) return;
  memmove(found + new_length, found + old_length, strlen(found + old_length) + 1);
  memcpy(found, lua, new_length);
}

COLD struct message message_of(int code) {
  struct message message;
  const char *const detail = shmutex_error_detail();
  snprintf(message.text, sizeof message.text, "%s", detail[0] != '\0' ? detail : shmutex_strerror(code));
  for (size_t i = 0; i < sizeof words / sizeof words[0]; ++i) {
    replace(message.text, sizeof message.text, words[i].c, words[i].lua);
  }
  return message;
}

COLD int push_failure(lua_State *L, int code) {
  const struct message message = message_of(code);
  lua_pushnil(L);
  lua_pushstring(L, message.text);
  lua_pushinteger(L, code);
  return 3;
}

COLD int raise_failure(lua_State *L, int code) {
  const struct message message = message_of(code);
  return luaL_error(L, "%s", message.text);
}

COLD int raise_closed(lua_State *L) { return luaL_error(L, "attempt to use a closed mutex"); }

int push_result(lua_State *L, int code) {
  if (code == EBADF) return raise_closed(L);
  if (code != 0) return push_failure(L, code);
  lua_pushboolean(L, 1);
  return 1;
}

/* Tokens take 61 bits. Where numbers are doubles (Lua 5.1, 5.2, LuaJIT) neighbours would look alike, so there they are
 * strings, of one length, which order as the numbers do. */
void push_token(lua_State *L, uint64_t token) {
#if LUA_VERSION_NUM >= 503
  lua_pushinteger(L, (lua_Integer)token);
#else
  char digits[24];
  snprintf(digits, sizeof digits, "%019" PRIu64, token);
  lua_pushstring(L, digits);
#endif
}

static void push_count(lua_State *L, uint64_t count) {
#if LUA_VERSION_NUM >= 503
  lua_pushinteger(L, (lua_Integer)count);
#else
  lua_pushnumber(L, (lua_Number)count);
#endif
}

int push_owner(lua_State *L, const shmutex_info_t *info) {
  if (info->owner_tid == 0 || info->owner_pid == 0) {
    lua_pushnil(L);
    return 1;
  }
  lua_pushinteger(L, info->owner_pid);
  lua_pushinteger(L, info->owner_tid);
  return 2;
}

static void set_flag(lua_State *L, const char *name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

static void set_count(lua_State *L, const char *name, uint64_t value) {
  push_count(L, value);
  lua_setfield(L, -2, name);
}

/* A thread or process; absent if there is none. */
static void set_id(lua_State *L, const char *name, int32_t id) {
  if (id == 0) return;
  lua_pushinteger(L, id);
  lua_setfield(L, -2, name);
}

void push_info(lua_State *L, const shmutex_info_t *info) {
  lua_createtable(L, 0, 14);
  lua_pushstring(L, state_name(info->state));
  lua_setfield(L, -2, "state");
  set_flag(L, "recursive", (info->attributes & SHMUTEX_RECURSIVE) != 0);
  set_flag(L, "fair", (info->attributes & SHMUTEX_FAIR) != 0);
  set_flag(L, "waiters", info->waiters != 0);
  set_id(L, "owner_pid", info->owner_pid);
  set_id(L, "owner_tid", info->owner_tid);
  set_count(L, "depth", info->depth);
  set_id(L, "last_dead_tid", info->last_dead_tid);
  push_token(L, info->token);
  lua_setfield(L, -2, "token");
  set_count(L, "contended", info->contended);
  set_count(L, "recoveries", info->recoveries);
  set_flag(L, "same_boot", info->same_boot != 0);
  set_flag(L, "same_pid_namespace", info->same_pid_namespace != 0);
  set_count(L, "links", info->links);
}
