/* The module's entry: what cannot be supported is refused before anything is set up. */
#include <shmutex/detail/recovery.h>

#include "binding.h"

PyObject *shmutex_swig_init(void);
/* Until 3.9, PyMODINIT_FUNC does not say that it is visible. */
__attribute__((visibility("default"))) PyMODINIT_FUNC PyInit__shmutex(void);

/* The module's state is per process, not per interpreter, and the GIL guards it. */
int check_interpreter(void) {
#ifdef Py_GIL_DISABLED
  PyErr_SetString(PyExc_ImportError,
                  "shmutex does not support free-threaded builds of Python; use a build with the GIL");
  return -1;
#else
#if PY_VERSION_HEX >= 0x03090000
  const bool is_main = PyInterpreterState_Get() == PyInterpreterState_Main();
#else
  const bool is_main = _PyInterpreterState_Get() == PyInterpreterState_Main();
#endif
  if (is_main) return 0;
  PyErr_SetString(
      PyExc_ImportError,
      "shmutex does not support subinterpreters; use it in the main interpreter, or in a process of its own");
  return -1;
#endif
}

/* A subinterpreter may get the module from a cache, without its entry being called; so the package asks again. */
static PyObject *py_check_interpreter(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  if (check_interpreter() != 0) return NULL;
  Py_RETURN_NONE;
}

static PyObject *py_connect(PyObject *module, PyObject *args) {
  (void)module;
  PyObject *half, *names;
  return PyArg_UnpackTuple(args, "connect", 2, 2, &half, &names) ? connect_support(half, names) : NULL;
}

static PyObject *py_restore_support(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  if (restore_support() != 0) return NULL;
  Py_RETURN_NONE;
}

static PyObject *py_before_fork(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  before_fork();
  Py_RETURN_NONE;
}

static PyObject *py_after_fork(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  after_fork_in_child();
  Py_RETURN_NONE;
}

static PyObject *py_kept_back(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  return take_all_records();
}

static PyObject *py_has_buffers(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  return PyBool_FromLong(buffers_in_use());
}

/* For good, if a mutex lies in the buffer. */
static PyObject *py_keep_if_used(PyObject *module, PyObject *args) {
  (void)module;
  PyObject *owner, *buffer;
  if (!PyArg_UnpackTuple(args, "keep_if_used", 2, 2, &owner, &buffer)) return NULL;
  Py_buffer view;
  if (PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE) != 0) {
    PyErr_Clear(); /* closed */
    Py_RETURN_NONE;
  }
  if (is_in_use(&view)) Py_INCREF(owner);
  PyBuffer_Release(&view);
  Py_RETURN_NONE;
}

static PyObject *py_held_names(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  return unreported_held_names();
}

static PyMethodDef functions[] = {
    {"check_interpreter", py_check_interpreter, METH_NOARGS, NULL},
    {"connect", py_connect, METH_VARARGS, NULL},
    {"restore_support", py_restore_support, METH_NOARGS, NULL},
    {"before_fork", py_before_fork, METH_NOARGS, NULL},
    {"after_fork", py_after_fork, METH_NOARGS, NULL},
    {"kept_back", py_kept_back, METH_NOARGS, NULL},
    {"has_buffers", py_has_buffers, METH_NOARGS, NULL},
    {"keep_if_used", py_keep_if_used, METH_VARARGS, NULL},
    {"held_names", py_held_names, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

int add_functions(PyObject *module) {
  if (PyModule_AddFunctions(module, functions) != 0) return -1;
  if (PyModule_AddIntConstant(module, "LEAVE", SHMUTEX_VERDICT_LEAVE) != 0 ||
      PyModule_AddIntConstant(module, "REPAIRED", SHMUTEX_VERDICT_REPAIRED) != 0 ||
      PyModule_AddIntConstant(module, "POISON", SHMUTEX_VERDICT_POISON) != 0) {
    return -1;
  }
  return PyModule_AddStringConstant(module, "__version__", shmutex_version());
}

PyMODINIT_FUNC PyInit__shmutex(void) {
  if (check_interpreter() != 0 || acquire_init() != 0) return NULL;
  return shmutex_swig_init();
}
