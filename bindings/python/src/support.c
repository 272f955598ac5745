/* The bridge to shmutex/_support.py, which has what is easier said in Python: the exceptions, the log, the named
 * tuples. */
#include <errno.h>
#include <string.h>

#include "binding.h"

static PyObject *support;

int connect_support(PyObject *module) {
  Py_INCREF(module);
  Py_XDECREF(support);
  support = module;
  return 0;
}

PyObject *call_support(const char *name, const char *format, ...) {
  va_list values;
  va_start(values, format);
  PyObject *const args = Py_VaBuildValue(format, values);
  va_end(values);
  PyObject *const function = args == NULL ? NULL : PyObject_GetAttrString(support, name);
  PyObject *const result = function == NULL ? NULL : PyObject_CallObject(function, args);
  Py_XDECREF(function);
  Py_XDECREF(args);
  return result;
}

static const char *exception_of(int code, bool by_path) {
  switch (code) {
    case EPERM: return by_path ? "MutexError" : "NotOwnerError";
    case EDEADLK: return "DeadlockError";
    case EOWNERDEAD: return "OwnerDiedError";
    case ENOTRECOVERABLE: return "NotRecoverableError";
    case EIDRM: return "RemovedError";
    case EBADMSG:
    case EPROTONOSUPPORT:
    case EXDEV:
    case ESTALE:
    case EPROTOTYPE: return "InvalidMutexError";
    default: return "MutexError";
  }
}

PyObject *raise_code(int code, PyObject *filename, bool by_path) {
  const char *detail = shmutex_error_detail();
  if (detail[0] == '\0') detail = shmutex_strerror(code);
  PyObject *const text = PyUnicode_DecodeFSDefault(detail);
  PyObject *const type = text == NULL ? NULL : PyObject_GetAttrString(support, exception_of(code, by_path));
  PyObject *const args =
      type == NULL ? NULL : Py_BuildValue("(iOO)", code, text, filename == NULL ? Py_None : filename);
  if (args != NULL) PyErr_SetObject(type, args);
  Py_XDECREF(args);
  Py_XDECREF(type);
  Py_XDECREF(text);
  return NULL;
}

PyObject *raise_closed(void) {
  PyErr_SetString(PyExc_ValueError, "the mutex is closed");
  return NULL;
}

PyObject *owner_object(const shmutex_info_t *info) {
  if (info->state != SHMUTEX_STATE_HELD || info->owner_tid == 0) Py_RETURN_NONE;
  return call_support("Owner", "(ii)", (int)info->owner_pid, (int)info->owner_tid);
}

PyObject *info_object(const shmutex_info_t *info) {
  PyObject *const owner = owner_object(info);
  if (owner == NULL) return NULL;
  return call_support(
      "Info", "(sNNNNIiKKKNNK)", state_name(info->state), PyBool_FromLong((info->attributes & SHMUTEX_RECURSIVE) != 0),
      PyBool_FromLong((info->attributes & SHMUTEX_FAIR) != 0), PyBool_FromLong(info->waiters != 0), owner,
      (unsigned)info->depth, (int)info->last_dead_tid, (unsigned long long)info->token,
      (unsigned long long)info->contended, (unsigned long long)info->recoveries, PyBool_FromLong(info->same_boot != 0),
      PyBool_FromLong(info->same_pid_namespace != 0), (unsigned long long)info->links);
}
