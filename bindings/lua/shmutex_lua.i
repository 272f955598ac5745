/* The Lua module's part that SWIG writes: the shared interface, with Lua's idiom for results. What is hot (lock,
 * unlock, guard, with), and what has no C prototype to speak of (open and its options, metamethods), is written by hand
 * in src/; src/module.c puts both together under the name `shmutex`. */
%module shmutex_swig

%begin %{
#define SWIGEXPORT __attribute__((visibility("hidden"))) /* src/module.c has the function that `require` looks for */
%}

%{
#include "binding.h"

/* Lua's own functions say "bad argument", and let additional arguments be. */
#undef SWIG_check_num_args
#define SWIG_check_num_args(name, least, most)
%}

/* SWIG's own checks read the memory of any userdata as if it were theirs. */
%typemap(in) struct SharedMutex *, SharedMutex * "$1 = mutex_check(L, $input);"
%typemap(in) const char *path "$1 = (char *)check_path(L, $input);"

%typemap(out) shmutex_result "SWIG_arg += push_result(L, $1);"
%typemap(out) token_t "push_token(L, $1); SWIG_arg++;"

%typemap(in, numinputs=0) shmutex_info_t *found (shmutex_info_t temporary) "$1 = &temporary;"
%typemap(argout) shmutex_info_t *found {
  if (result == 0) { /* the table in place of `true` */
    lua_pop(L, 1);
    push_info(L, $1);
  }
}
%typemap(in, numinputs=0) shmutex_info_t *owner (shmutex_info_t temporary) "$1 = &temporary;"
%typemap(argout) shmutex_info_t *owner {
  if (result == 0) {
    lua_pop(L, 1);
    SWIG_arg += push_owner(L, $1) - 1;
  }
}

/* The name under which SWIG files the class among those of all modules. */
%rename(shmutex_SharedMutex) SharedMutex;

%include "mutex.i"

%extend SharedMutex {
  bool owned() { return shmutex_is_owned($self->handle) != 0; }
  token_t token() { return shmutex_token($self->handle); }
  shmutex_result owner(shmutex_info_t *owner) {
    owner->size = sizeof *owner;
    return shmutex_info($self->handle, owner);
  }
}

%init %{
  SWIG_Lua_get_class_metatable(L, "shmutex_SharedMutex");
  lua_getfield(L, -1, ".fn");
  lua_setfield(L, -3, "methods");
  lua_pop(L, 1); /* the module's table is what luaopen returns */
%}
