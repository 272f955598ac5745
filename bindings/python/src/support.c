/* The bridge to shmutex/_support.py, which has what is easier said in Python: the exceptions, the log, the named
 * tuples. */
#include <errno.h>

#include "advice.h"
#include "binding.h"
#include "mutex_options.h"

static PyObject *support_module, *support; /* and its names */

PyObject *connect_support(PyObject *module, PyObject *names) {
  if (support == NULL) {
    Py_INCREF(module);
    support_module = module;
    Py_INCREF(names);
    support = names;
  }
  Py_INCREF(support);
  return support;
}

int restore_support(void) {
  return support_module == NULL ? 0
                                : PyDict_SetItemString(PyImport_GetModuleDict(), "shmutex._support", support_module);
}

PyObject *call_support(const char *name, const char *format, ...) {
  va_list values;
  va_start(values, format);
  PyObject *const args = Py_VaBuildValue(format, values);
  va_end(values);
  PyObject *const function = args == NULL ? NULL : PyMapping_GetItemString(support, name);
  PyObject *const result = function == NULL ? NULL : PyObject_CallObject(function, args);
  Py_XDECREF(function);
  Py_XDECREF(args);
  return result;
}

static const char *exception_of(int code, bool by_path) {
  switch (code) {
    case EPERM: return by_path ? "MutexPermissionError" : "NotOwnerError";
    case EACCES: return "MutexPermissionError";
    case ENOENT: return "MutexNotFoundError";
    case EEXIST: return "MutexExistsError";
    case ENOTDIR: return "MutexNotADirectoryError";
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

static PyObject *type_of(const char *name) {
  PyObject *type = PyMapping_GetItemString(support, name);
  if (type != NULL && PyExceptionClass_Check(type)) return type;
  PyErr_Clear(); /* at the interpreter's end, when the module has been emptied */
  Py_XDECREF(type);
  type = PyExc_OSError;
  Py_INCREF(type);
  return type;
}

PyObject *make_error(int code, PyObject *filename, bool by_path) {
  char sentence[SHMUTEX_SENTENCE_SIZE];
  shmutex_sentence(sentence, sizeof sentence, SHMUTEX_PYTHON, code);
  PyObject *const text = PyUnicode_DecodeFSDefault(sentence);
  if (text == NULL) return NULL;
  PyObject *const type = type_of(exception_of(code, by_path));
  PyObject *const error = PyObject_CallFunction(type, "iOO", code, text, filename == NULL ? Py_None : filename);
  Py_DECREF(type);
  Py_DECREF(text);
  return error;
}

PyObject *raise_code(int code, PyObject *filename, bool by_path) {
  PyObject *const error = make_error(code, filename, by_path);
  if (error != NULL) PyErr_SetObject((PyObject *)Py_TYPE(error), error);
  Py_XDECREF(error);
  return NULL;
}

PyObject *raise_closed(void) {
  PyErr_SetString(PyExc_ValueError, "the mutex is closed");
  return NULL;
}

PyObject *owner_object(const shmutex_info_t *info) {
  if (info->owner_tid == 0) Py_RETURN_NONE;
  return call_support("Owner", "(ii)", (int)info->owner_pid, (int)info->owner_tid);
}

/* CLOCK_MONOTONIC, as time.monotonic() has it. */
static PyObject *moment(uint64_t ns) {
  if (ns == 0) Py_RETURN_NONE;
  return PyFloat_FromDouble((double)ns / 1e9);
}

PyObject *info_object(const shmutex_info_t *info) {
  PyObject *const owner = owner_object(info);
  if (owner == NULL) return NULL;
  return call_support("Info", "(sNNINIiKKKNNKsN)", shmutex_state_name(info->state),
                      PyBool_FromLong((info->attributes & SHMUTEX_RECURSIVE) != 0),
                      PyBool_FromLong((info->attributes & SHMUTEX_FAIR) != 0), (unsigned)info->waiters, owner,
                      (unsigned)info->depth, (int)info->last_dead_tid, (unsigned long long)info->token,
                      (unsigned long long)info->contended, (unsigned long long)info->recoveries,
                      PyBool_FromLong(info->same_boot != 0), PyBool_FromLong(info->same_pid_namespace != 0),
                      (unsigned long long)info->links, shmutex_kind_name(info->kind), moment(info->owner_since));
}
