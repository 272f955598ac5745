/* Results and failures as Lua's io library has them: a value, or nil, a message and an errno value. */
#include <inttypes.h>
#include <stdio.h>

#include "binding.h"
#include "codes.h"
#include "mutex_options.h"

COLD struct message message_of(int code) {
  struct message message;
  shmutex_sentence(message.text, sizeof message.text, SHMUTEX_LUA, code);
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
  lua_createtable(L, 0, 16);
  lua_pushstring(L, shmutex_state_name(info->state));
  lua_setfield(L, -2, "state");
  set_flag(L, "recursive", (info->attributes & SHMUTEX_RECURSIVE) != 0);
  set_flag(L, "fair", (info->attributes & SHMUTEX_FAIR) != 0);
  if (info->waiters == 0) {
    set_flag(L, "waiters", false); /* 0 would count as true */
  } else {
    set_count(L, "waiters", info->waiters);
  }
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
  lua_pushstring(L, shmutex_kind_name(info->kind));
  lua_setfield(L, -2, "kind");
  if (info->owner_since != 0) {
    lua_pushnumber(L, (lua_Number)info->owner_since / 1e9);
    lua_setfield(L, -2, "owner_since");
  }
}

void push_errno_table(lua_State *L) {
  lua_newtable(L);
#define SET(code) (lua_pushinteger(L, code), lua_setfield(L, -2, #code));
  SHMUTEX_CODES(SET)
#undef SET
}
