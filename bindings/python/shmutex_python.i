/* The Python module. SWIG makes the module and the methods that bindings/common/mutex.i gives to all languages; src/
 * has what is Python's own, among it the class and the methods whose speed counts. */
%module(package="shmutex") _shmutex

%begin %{
#define PY_SSIZE_T_CLEAN
#define SWIG_TYPE_TABLE shmutex /* our own type table: nothing shared with other modules that SWIG made */
%}
%{
#include "binding.h"
%}

/* Every function's first argument is its subject: filename1 names it in errors. */
%typemap(in, noblock=1) struct SharedMutex *self (PyObject *filename = NULL, bool by_path = false) {
  $1 = mutex_of($input);
  filename = $1->path;
}
%typemap(in, noblock=1) const char *path (PyObject *filename = NULL, PyObject *encoded = NULL, bool by_path = true) {
  filename = $input;
  if (!PyUnicode_FSConverter($input, &encoded)) SWIG_fail;
  $1 = PyBytes_AS_STRING(encoded);
}
%typemap(freearg, noblock=1) const char *path { Py_XDECREF(encoded$argnum); }

%typemap(out, noblock=1) shmutex_result {
  if ($1 != 0) {
    if ($1 == EBADF) raise_closed();
    else raise_code($1, filename1, by_path1);
    SWIG_fail;
  }
  $result = SWIG_Py_Void();
}
%typemap(in, numinputs=0, noblock=1) shmutex_info_t *found (shmutex_info_t info) { $1 = &info; }
%typemap(argout, noblock=1) shmutex_info_t *found {
  Py_DECREF($result);
  $result = info_object($1);
}

/* These may wait for others, or for a disk. */
%exception shmutex_unlink_path {
  Py_BEGIN_ALLOW_THREADS
  $action
  Py_END_ALLOW_THREADS
}
%exception shmutex_inspect_path {
  Py_BEGIN_ALLOW_THREADS
  $action
  Py_END_ALLOW_THREADS
}

%include "docs.i"
%include "mutex.i"

/* From SWIG 4.4 on, %init is part of a function that says failure with -1: the module is initialised in phases. */
%{
#if SWIG_VERSION >= 0x040400
#define INIT_FAILED return -1
#else
#define INIT_FAILED return NULL
#endif
%}

/* src/module.c has the module's entry, and calls SWIG's. */
%header %{
#undef SWIG_init
#define SWIG_init shmutex_swig_init
%}

%init %{
  /* Initialised in phases, it is copied into subinterpreters without its entry being called. */
  if (check_interpreter() != 0) INIT_FAILED;
  tidy_docs(SwigMethods);
  tidy_docs(SwigPyBuiltin__SharedMutex_methods);
  {
    /* SWIG's own type leaves the module, but SWIG goes on pointing to it. */
    Py_XINCREF(PyDict_GetItemString(PyModule_GetDict(m), "SharedMutex"));
    PyObject *type = make_type(SwigPyBuiltin__SharedMutex_methods);
    if (type == NULL || PyDict_SetItemString(PyModule_GetDict(m), "SharedMutex", type) != 0 || add_functions(m) != 0) {
      Py_XDECREF(type);
      INIT_FAILED;
    }
    Py_DECREF(type);
  }
%}
