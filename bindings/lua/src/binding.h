/* What the parts of the module share. Lua objects are named as in the manual: docs/lua.md. */
#ifndef SHMUTEX_LUA_BINDING_H
#define SHMUTEX_LUA_BINDING_H

#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <shmutex/shmutex.h>
#include <stdbool.h>
#include <stdint.h>

#include "advice.h"

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define COLD __attribute__((cold, noinline))

#if LUA_VERSION_NUM >= 504
#define SHMUTEX_LUA_HAS_CLOSE 1 /* to-be-closed variables, and warn() */
#else
#define SHMUTEX_LUA_HAS_CLOSE 0
#endif

/* One open lock; it lives in its userdata. */
typedef struct SharedMutex {
  const void *mark;  /* &mutex_mark from its beginning to its collection */
  shmutex_t *handle; /* NULL: closed, or never opened */
  bool fair;
  bool tries_first; /* acquisitions: before anything else, once and without waiting */
  bool recovers;    /* there is a recovery function */
  char path[];
} SharedMutex;

#define MUTEX_TYPE "shmutex.Mutex"
#define GUARD_TYPE "shmutex.Guard"

/* mutex.c: the object */
SharedMutex *mutex_new(lua_State *L, const char *path,
                       int recover);               /* pushes it, not open yet; recover: an index, or 0 */
SharedMutex *mutex_check(lua_State *L, int index); /* raises if it is none, or closed */
void mutex_push_recover(lua_State *L, int index);
#if SHMUTEX_LUA_HAS_CLOSE
void mutex_push_guard(lua_State *L, int index);
SharedMutex **mutex_new_guard(lua_State *L,
                              int index); /* pushes one that keeps the mutex alive, and does nothing yet */
#endif
int mutex_close(lua_State *L);
int mutex_collect(lua_State *L);
int mutex_path(lua_State *L);
int mutex_tostring(lua_State *L);

#if LUA_VERSION_NUM == 501
#define lua_rawlen lua_objlen
#endif

extern const char mutex_mark;

/* The mark is what a comparison of metatables costs too much for. No other userdata has this address in it, since no
 * other code knows it, and memory is not given back with a mark on it. */
static inline SharedMutex *mutex_self(lua_State *L) {
  SharedMutex *const m = (SharedMutex *)lua_touserdata(L, 1);
  const bool ours = m != NULL && lua_rawlen(L, 1) > sizeof *m && m->mark == &mutex_mark && m->handle != NULL;
  return LIKELY(ours) ? m : mutex_check(L, 1);
}

/* acquire.c */
int mutex_lock(lua_State *L);
int mutex_trylock(lua_State *L);
int mutex_unlock(lua_State *L);
int mutex_guard(lua_State *L);
int mutex_with(lua_State *L);
int guard_close(lua_State *L); /* upvalue 1: the metatable of guards */

/* wait.c */
int64_t now_ns(void);
/* To be called whenever this may be the main coroutine: Lua 5.1 does not tell later which one it is. Returns whether it
 * is known now. */
bool remember_main(lua_State *L);
/* What has to be known from before a wait for run_pending_hook() to tell what happened in it. */
struct before_wait {
  bool sigint_handled; /* only where the main coroutine is not known */
};
struct before_wait before_wait(lua_State *L);
/* Calls the hook, if there is one, as the interpreter would before its next instruction. It may raise. */
void run_pending_hook(lua_State *L, const struct before_wait *before);

typedef uint64_t token_t; /* what becomes a token, in SWIG's part */

/* result.c: results and failures as Lua's io library has them. Functions that return int return how many values they
 * pushed. */
struct message {
  char text[SHMUTEX_SENTENCE_SIZE];
};
struct message message_of(int code);     /* the calling thread's last failure, in Lua's words */
int push_result(lua_State *L, int code); /* true; or nil, message, errno */
int push_failure(lua_State *L, int code);
int raise_failure(lua_State *L, int code);
int raise_closed(lua_State *L);
void push_token(lua_State *L, uint64_t token);
int push_owner(lua_State *L, const shmutex_info_t *info);
void push_info(lua_State *L, const shmutex_info_t *info);
void push_errno_table(lua_State *L);

/* shmutex_lua.i, which includes what all languages share (bindings/common) */
int luaopen_shmutex_swig(lua_State *L); /* a table: inspect, unlink; methods */

/* module.c */
const char *check_path(lua_State *L, int index);
bool is_callable(lua_State *L, int index);

#endif
