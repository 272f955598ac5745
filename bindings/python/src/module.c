/* The module's entry: what cannot be supported is refused before anything is set up. */
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

static PyObject *py_connect(PyObject *module, PyObject *support) {
  (void)module;
  if (connect_support(support) != 0) return NULL;
  Py_RETURN_NONE;
}

static PyObject *py_after_fork(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  forget_other_threads();
  Py_RETURN_NONE;
}

static PyObject *py_held_names(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  return unreported_held_names();
}

static PyMethodDef functions[] = {
    {"check_interpreter", py_check_interpreter, METH_NOARGS, NULL},
    {"connect", py_connect, METH_O, NULL},
    {"after_fork", py_after_fork, METH_NOARGS, NULL},
    {"held_names", py_held_names, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

int add_functions(PyObject *module) {
  if (PyModule_AddFunctions(module, functions) != 0) return -1;
  return PyModule_AddStringConstant(module, "__version__", shmutex_version());
}

PyMODINIT_FUNC PyInit__shmutex(void) {
  if (check_interpreter() != 0 || acquire_init() != 0) return NULL;
  return shmutex_swig_init();
}
