/* What is logged, and when. shmutex/_support.py has the words. */
#include <unistd.h>

#include "binding.h"

unsigned kept_back;

static PyObject *name_of(const SharedMutex *mutex) {
  if (mutex->path != NULL && mutex->path != Py_None) {
    Py_INCREF(mutex->path);
    return mutex->path;
  }
  return PyUnicode_FromFormat("the buffer at %p", mutex->memory);
}

void log_debug(const char *text, const SharedMutex *mutex) {
  if (is_finalizing()) return;
  PyObject *const name = name_of(mutex);
  PyObject *const result = name == NULL ? NULL : call_support("log_debug", "(sN)", text, name);
  if (result == NULL) PyErr_WriteUnraisable(NULL);
  Py_XDECREF(result);
}

int warn_of_lost_name(SharedMutex *mutex, int64_t now_ns) {
  MutexObject *const object = object_of(mutex);
  if (object->name_lost || mutex->view != NULL || now_ns - object->looked < 1000000000 || is_finalizing()) return 0;
  object->looked = now_ns;
  shmutex_info_t info = {.size = sizeof info};
  if (shmutex_info(mutex->handle, &info) != 0 || info.links != 0 || info.state == SHMUTEX_STATE_RETIRED) return 0;
  object->name_lost = true;
  PyObject *const result = call_support("log_lost_name", "(O)", mutex->path);
  Py_XDECREF(result);
  return result == NULL ? -1 : 0;
}

void log_collected(const SharedMutex *mutex) {
  PyObject *const name = name_of(mutex);
  if (name == NULL) {
    PyErr_WriteUnraisable(NULL);
  } else if (is_finalizing()) {
    PySys_FormatStderr("shmutex: %S: the interpreter has ended while its lock is held, which will count as a death\n",
                       name);
    Py_DECREF(name);
  } else {
    PyObject *const result = call_support("log_collected", "(N)", name);
    if (result == NULL) PyErr_WriteUnraisable(NULL);
    Py_XDECREF(result);
  }
}

static int tell(PyObject *records) {
  if (is_finalizing()) return 0;
  PyObject *const result = call_support("tell", "(O)", records);
  Py_XDECREF(result);
  return result == NULL ? -1 : 0;
}

static int keep_back(MutexObject *object, PyObject *records) {
  if (object->records != NULL) return PyList_SetSlice(object->records, PY_SSIZE_T_MAX, PY_SSIZE_T_MAX, records);
  Py_INCREF(records);
  object->records = records;
  ++kept_back;
  return 0;
}

static PyObject *take(MutexObject *object) {
  PyObject *const records = object->records;
  object->records = NULL;
  if (records != NULL) --kept_back;
  return records;
}

int log_death(SharedMutex *mutex, PyObject *records, bool held) {
  if (PyList_GET_SIZE(records) == 0) return 0;
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  const int result = held ? keep_back(object_of(mutex), records) : tell(records);
  if (result == 0) {
    PyErr_Restore(type, value, traceback);
  } else {
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
  }
  return result;
}

/* Of the mutexes of this lock, the first that keeps something back. */
static MutexObject *keeper_of(const shmutex_t *handle) {
  MutexObject *each = open_mutexes();
  while (each != NULL && (each->mutex.handle != handle || each->records == NULL)) each = each->next;
  return each;
}

int log_kept_back(const shmutex_t *handle) {
  if (handle == NULL || shmutex_is_owned(handle) != 0) return 0;
  for (;;) { /* from the start each time: log handlers open and close mutexes */
    MutexObject *const keeper = keeper_of(handle);
    if (keeper == NULL) return 0;
    PyObject *const records = take(keeper);
    const int result = tell(records);
    Py_DECREF(records);
    if (result != 0) return -1;
  }
}

void pass_records_on(MutexObject *object, const shmutex_t *handle) {
  PyObject *const records = take(object);
  if (records == NULL) return;
  MutexObject *heir = open_mutexes();
  while (heir != NULL && heir->mutex.handle != handle) heir = heir->next;
  if ((heir != NULL ? keep_back(heir, records) : tell(records)) != 0) PyErr_WriteUnraisable(NULL);
  Py_DECREF(records);
}

PyObject *take_all_records(void) {
  PyObject *const all = PyList_New(0);
  for (MutexObject *each = open_mutexes(); all != NULL && each != NULL; each = each->next) {
    PyObject *const records = take(each);
    if (records != NULL && PyList_SetSlice(all, PY_SSIZE_T_MAX, PY_SSIZE_T_MAX, records) != 0) {
      PyErr_WriteUnraisable(NULL);
    }
    Py_XDECREF(records);
  }
  return all;
}

static bool is_held_here(const MutexObject *object) {
  shmutex_info_t info = {.size = sizeof info};
  return shmutex_info(object->mutex.handle, &info) == 0 && info.depth != 0 && info.owner_pid == (int32_t)getpid();
}

bool was_left_held(const MutexObject *object) { return !object->reported && is_held_here(object); }

/* All objects of a process for one lock have one handle. */
static void mark_reported(const shmutex_t *handle) {
  for (MutexObject *each = open_mutexes(); each != NULL; each = each->next) {
    if (each->mutex.handle == handle) each->reported = true;
  }
}

PyObject *unreported_held_names(void) {
  PyObject *const names = PyList_New(0);
  for (const MutexObject *each = open_mutexes(); names != NULL && each != NULL; each = each->next) {
    if (!was_left_held(each)) continue;
    PyObject *const name = name_of(&each->mutex);
    const int failed = name == NULL || PyList_Append(names, name) != 0;
    Py_XDECREF(name);
    if (failed) {
      Py_DECREF(names);
      return NULL;
    }
    mark_reported(each->mutex.handle);
  }
  return names;
}
