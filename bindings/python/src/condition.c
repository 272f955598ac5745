/* The methods by which threading.Condition uses a lock. */
#include "binding.h"

PyObject *mutex_is_owned(PyObject *self, PyObject *unused) {
  (void)unused;
  const SharedMutex *const mutex = mutex_of(self);
  return PyBool_FromLong(mutex->handle != NULL && shmutex_is_owned(mutex->handle));
}

/* Releases it however deep it is held, and returns how deep that was. */
PyObject *mutex_release_save(PyObject *self, PyObject *unused) {
  (void)unused;
  const SharedMutex *const mutex = mutex_of(self);
  if (mutex->handle == NULL) return raise_closed();
  unsigned long depth = 0;
  int code;
  do {
    code = shmutex_unlock(mutex->handle);
    if (code == 0) ++depth;
  } while (code == 0 && shmutex_is_owned(mutex->handle));
  if (code != 0) return raise_code(code, mutex->path, false);
  if (kept_back != 0 && log_kept_back(mutex->handle) != 0) return NULL;
  return PyLong_FromUnsignedLong(depth);
}

PyObject *mutex_acquire_restore(PyObject *self, PyObject *argument) {
  SharedMutex *const mutex = mutex_of(self);
  const unsigned long depth = PyLong_AsUnsignedLong(argument);
  if (depth == (unsigned long)-1 && PyErr_Occurred() != NULL) return NULL;
  if (mutex->handle == NULL) return raise_closed();
  for (unsigned long i = 0; i < depth; ++i) {
    if (mutex_acquire_uninterrupted(mutex) != 0) return NULL;
  }
  Py_RETURN_NONE;
}

/* A forked child holds nothing already, and what other processes hold stays theirs. */
PyObject *mutex_at_fork_reinit(PyObject *self, PyObject *unused) {
  (void)self;
  (void)unused;
  Py_RETURN_NONE;
}
