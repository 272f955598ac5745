/* Opening and closing, and what becomes of a mutex that nobody closed. */
#include <errno.h>
#include <unistd.h>

#include "binding.h"

/* All open mutexes; the GIL guards the list. */
static MutexObject *first_open;

static void enter_list(MutexObject *object) {
  object->next = first_open;
  object->previous = NULL;
  if (first_open != NULL) first_open->previous = object;
  first_open = object;
}

static void leave_list(MutexObject *object) {
  if (object->next != NULL) object->next->previous = object->previous;
  if (object->previous != NULL) object->previous->next = object->next;
  if (first_open == object) first_open = object->next;
  object->next = object->previous = NULL;
}

static PyObject *name_of(const SharedMutex *mutex) {
  if (mutex->path != NULL && mutex->path != Py_None) {
    Py_INCREF(mutex->path);
    return mutex->path;
  }
  return PyUnicode_FromFormat("the buffer at %p", mutex->memory);
}

static bool is_held_here(const MutexObject *object) {
  shmutex_info_t info = {.size = sizeof info};
  return shmutex_info(object->mutex.handle, &info) == 0 && info.depth != 0 && info.owner_pid == (int32_t)getpid();
}

/* All objects of a process for one lock have one handle. */
static void mark_reported(const shmutex_t *handle) {
  for (MutexObject *each = first_open; each != NULL; each = each->next) {
    if (each->mutex.handle == handle) each->reported = true;
  }
}

PyObject *unreported_held_names(void) {
  PyObject *const names = PyList_New(0);
  for (const MutexObject *each = first_open; names != NULL && each != NULL; each = each->next) {
    if (each->reported || !is_held_here(each)) continue;
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

void forget_other_threads(void) {
  for (MutexObject *each = first_open; each != NULL; each = each->next) {
    each->mutex.inside = 0;
    each->reported = false;
  }
}

static void log_debug(const char *text, const SharedMutex *mutex) {
  if (is_finalizing()) return;
  PyObject *const name = name_of(mutex);
  PyObject *const result = name == NULL ? NULL : call_support("log_debug", "(sN)", text, name);
  if (result == NULL) PyErr_WriteUnraisable(NULL);
  Py_XDECREF(result);
}

/* The logger may be gone already when the interpreter ends. */
static void report_held(const SharedMutex *mutex) {
  PyObject *const name = name_of(mutex);
  if (name == NULL) {
    PyErr_WriteUnraisable(NULL);
  } else if (is_finalizing()) {
    PySys_FormatStderr("shmutex: %S: the interpreter has ended while its lock is held, which will count as a death\n",
                       name);
    Py_DECREF(name);
  } else {
    PyObject *const result = call_support("report_collected", "(N)", name);
    if (result == NULL) PyErr_WriteUnraisable(NULL);
    Py_XDECREF(result);
  }
}

static int refuse_second_opening(void) {
  PyErr_SetString(PyExc_RuntimeError, "the mutex is open already");
  return -1;
}

static void assign(PyObject **field, PyObject *value) {
  PyObject *const old = *field;
  Py_XINCREF(value);
  *field = value;
  Py_XDECREF(old);
}

static int opened(PyObject *self, const SharedMutex *as, const char *how) {
  SharedMutex *const mutex = mutex_of(self);
  if (mutex->handle != NULL) { /* another thread was faster, or __fspath__() has opened it */
    (void)shmutex_close(as->handle);
    return refuse_second_opening();
  }
  mutex->handle = as->handle;
  mutex->attributes = as->attributes;
  mutex->view = as->view;
  mutex->memory = as->memory;
  ((MutexObject *)self)->reported = false;
  enter_list((MutexObject *)self);
  /* From here on the object is whole: what is replaced may be the last reference to something with a __del__(). */
  assign(&mutex->path, as->path);
  assign(&mutex->absolute, as->absolute);
  assign(&mutex->recover, as->recover);
  log_debug(how, mutex);
  return 0;
}

static int check_recover(PyObject *recover) {
  PyObject *const checked = call_support("check_recover", "(O)", recover);
  Py_XDECREF(checked);
  return checked == NULL ? -1 : 0;
}

typedef struct {
  shmutex_t *handle;
  int code;
  const char *how;
} Opening;

/* Says which of the two it did, create or open; so it asks for one at a time until one of them is the case. While
 * others create and remove the lock without end, it leaves that to the library, which gives up after ten seconds. */
static Opening open_or_create(const char *path, unsigned attributes, unsigned existing, unsigned mode) {
  Opening result = {NULL, 0, "opened"};
  const unsigned creating = SHMUTEX_MUST_CREATE;
  for (int attempts = 0; attempts < 100; ++attempts) {
    if (existing != creating) {
      result.code = shmutex_open(&result.handle, path, attributes | SHMUTEX_MUST_EXIST, mode);
      if (result.code != ENOENT || existing != 0) return result;
    }
    result.code = shmutex_open(&result.handle, path, attributes | creating, mode);
    if (result.code == 0) result.how = "created";
    if (result.code != EEXIST || existing != 0) return result;
  }
  result.code = shmutex_open(&result.handle, path, attributes, mode);
  return result;
}

static int check_mode(int mode) {
  if (mode > 0 && mode <= 0777) return 0;
  PyErr_SetString(PyExc_ValueError, "mode must be permission bits, 0o1 to 0o777");
  return -1;
}

static int exist_flag(PyObject *exist, unsigned *flag) {
  *flag = 0;
  if (exist == Py_None) return 0;
  const int must_exist = PyObject_IsTrue(exist);
  if (must_exist < 0) return -1;
  *flag = must_exist ? SHMUTEX_MUST_EXIST : SHMUTEX_MUST_CREATE;
  return 0;
}

int mutex_init(PyObject *self, PyObject *args, PyObject *keywords) {
  static char *names[] = {"path", "recursive", "fair", "mode", "exist", "recover", NULL};
  PyObject *given, *exist = Py_None, *recover = Py_None;
  int recursive = 0, fair = 0, mode = 0600;
  unsigned existing;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|$ppiOO:SharedMutex", names, &given, &recursive, &fair, &mode,
                                   &exist, &recover)) {
    return -1;
  }
  if (mutex_of(self)->handle != NULL) return refuse_second_opening();
  if (check_mode(mode) != 0 || check_recover(recover) != 0 || exist_flag(exist, &existing) != 0) return -1;
  PyObject *const path = PyOS_FSPath(given);
  PyObject *encoded = NULL;
  PyObject *absolute = NULL;
  int result = -1;
  if (path == NULL || !PyUnicode_FSConverter(path, &encoded)) goto done;
  absolute = call_support("absolute_path", "(O)", path);
  if (absolute == NULL) goto done;

  Opening opening;
  const unsigned attributes = attributes_of(recursive, fair);
  Py_BEGIN_ALLOW_THREADS opening = open_or_create(PyBytes_AS_STRING(encoded), attributes, existing, (unsigned)mode);
  Py_END_ALLOW_THREADS if (opening.code != 0) {
    (void)raise_code(opening.code, path, true);
    goto done;
  }
  result = opened(
      self,
      &(SharedMutex){
          .handle = opening.handle, .attributes = attributes, .path = path, .absolute = absolute, .recover = recover},
      opening.how);
done:
  Py_XDECREF(absolute);
  Py_XDECREF(encoded);
  Py_XDECREF(path);
  return result;
}

static int check_place(const Py_buffer *view, Py_ssize_t offset) {
  if (offset < 0) {
    PyErr_SetString(PyExc_ValueError, "offset must not be negative");
    return -1;
  }
  if (offset > view->len || view->len - offset < SHMUTEX_SIZE) {
    PyErr_Format(PyExc_ValueError, "a lock takes %d bytes; the buffer has %zd, and offset is %zd", (int)SHMUTEX_SIZE,
                 view->len, offset);
    return -1;
  }
  const Py_ssize_t misplaced = (Py_ssize_t)(((uintptr_t)view->buf + (uintptr_t)offset) % SHMUTEX_ALIGN);
  if (misplaced == 0) return 0;
  const Py_ssize_t next = offset + SHMUTEX_ALIGN - misplaced;
  if (view->len - next >= SHMUTEX_SIZE) {
    PyErr_Format(PyExc_ValueError, "a lock must be aligned to %d bytes; in this buffer offset=%zd would be",
                 (int)SHMUTEX_ALIGN, next);
  } else {
    PyErr_Format(PyExc_ValueError,
                 "a lock must be aligned to %d bytes; the buffer is too small for the next place that is, offset=%zd",
                 (int)SHMUTEX_ALIGN, next);
  }
  return -1;
}

/* init: None initialises zeroed memory once, True whatever is there, False nothing. */
static int attach(Opening *out, void *memory, size_t size, unsigned attributes, PyObject *init) {
  int now = -1;
  if (init != Py_None) {
    now = PyObject_IsTrue(init);
    if (now < 0) return -1;
  }
  int code = 0;
  out->how = now == 1 ? "created" : "attached";
  Py_BEGIN_ALLOW_THREADS if (now == 1) code = shmutex_init(memory, size, attributes);
  if (code == 0) code = shmutex_attach(&out->handle, memory, size, attributes);
  if (code == EBADMSG && now < 0) {
    out->how = "created";
    code = shmutex_attach(&out->handle, memory, size, attributes | SHMUTEX_INIT_ONCE);
  }
  Py_END_ALLOW_THREADS if (code != 0)(void) raise_code(code, NULL, true);
  return code == 0 ? 0 : -1;
}

static void drop_view(Py_buffer *view) {
  if (view == NULL) return;
  PyBuffer_Release(view);
  PyMem_Free(view);
}

PyObject *mutex_from_buffer(PyObject *type, PyObject *args, PyObject *keywords) {
  static char *names[] = {"buffer", "offset", "recursive", "fair", "init", "recover", NULL};
  PyObject *buffer, *init = Py_None, *recover = Py_None;
  Py_ssize_t offset = 0;
  int recursive = 0, fair = 0;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|n$ppOO:from_buffer", names, &buffer, &offset, &recursive, &fair,
                                   &init, &recover) ||
      check_recover(recover) != 0) {
    return NULL;
  }
  Py_buffer *const view = PyMem_Calloc(1, sizeof *view);
  if (view == NULL) return PyErr_NoMemory();
  if (PyObject_GetBuffer(buffer, view, PyBUF_WRITABLE) != 0) {
    PyMem_Free(view);
    return NULL;
  }
  PyObject *self = NULL;
  Opening opening = {NULL, 0, NULL};
  const unsigned attributes = attributes_of(recursive, fair);
  if (check_place(view, offset) == 0) self = ((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, 0);
  void *const memory = self == NULL ? NULL : (char *)view->buf + offset;
  if (self == NULL || attach(&opening, memory, (size_t)(view->len - offset), attributes, init) != 0 ||
      opened(self,
             &(SharedMutex){.handle = opening.handle,
                            .attributes = attributes,
                            .view = view,
                            .memory = memory,
                            .path = Py_None,
                            .absolute = Py_None,
                            .recover = recover},
             opening.how) != 0) {
    Py_XDECREF(self);
    drop_view(view);
    return NULL;
  }
  return self;
}

/* 0, or why it stays open. */
static int close_now(PyObject *self) {
  SharedMutex *const mutex = mutex_of(self);
  const int code = shmutex_close(mutex->handle);
  if (code != 0) return code;
  leave_list((MutexObject *)self);
  mutex->handle = NULL;
  Py_buffer *const view = mutex->view;
  mutex->view = NULL;
  log_debug("closed", mutex);
  drop_view(view);
  return 0;
}

PyObject *mutex_close(PyObject *self, PyObject *unused) {
  (void)unused;
  SharedMutex *const mutex = mutex_of(self);
  if (mutex->handle == NULL) Py_RETURN_NONE;
  if (mutex->inside != 0) {
    PyObject *const result = call_support("refuse_close", "(O)", mutex->path);
    Py_XDECREF(result);
    return NULL;
  }
  const int code = close_now(self);
  if (code != 0) return raise_code(code, mutex->path, false);
  Py_RETURN_NONE;
}

/* 0, or why the lock of this object cannot be removed by its path any more. */
static int check_name(const SharedMutex *mutex) {
  shmutex_info_t info = {.size = sizeof info};
  if (mutex->handle == NULL || shmutex_info(mutex->handle, &info) != 0) return 0;
  return info.state == SHMUTEX_STATE_RETIRED || info.links == 0 ? EIDRM : 0;
}

PyObject *mutex_unlink(PyObject *self, PyObject *unused) {
  (void)unused;
  SharedMutex *const mutex = mutex_of(self);
  if (mutex->view == NULL && (mutex->absolute == NULL || mutex->absolute == Py_None)) return raise_closed();
  if (check_name(mutex) != 0) {
    PyObject *const result = call_support("refuse_unlink", "(O)", mutex->path);
    Py_XDECREF(result);
    return NULL;
  }
  if (mutex->view != NULL) {
    const int code = shmutex_destroy(mutex->memory, SHMUTEX_SIZE);
    if (code != 0) return raise_code(code, NULL, true);
    Py_RETURN_NONE;
  }
  PyObject *encoded = NULL;
  if (!PyUnicode_FSConverter(mutex->absolute, &encoded)) return NULL;
  int code;
  Py_BEGIN_ALLOW_THREADS code = shmutex_unlink(PyBytes_AS_STRING(encoded), 0);
  Py_END_ALLOW_THREADS Py_DECREF(encoded);
  if (code != 0) return raise_code(code, mutex->path, true);
  Py_RETURN_NONE;
}

int mutex_traverse(PyObject *self, visitproc visit, void *arg) {
  Py_VISIT(mutex_of(self)->recover);
  if (mutex_of(self)->view != NULL) Py_VISIT(mutex_of(self)->view->obj);
  Py_VISIT(((MutexObject *)self)->attributes);
#if PY_VERSION_HEX >= 0x03090000
  Py_VISIT(Py_TYPE(self));
#endif
  return 0;
}

int mutex_clear(PyObject *self) {
  SharedMutex *const mutex = mutex_of(self);
  /* A cycle through the buffer. One that is held stays as it is: see close_collected(). */
  if (mutex->view != NULL && mutex->handle != NULL) (void)close_now(self);
  Py_CLEAR(mutex->recover);
  Py_CLEAR(((MutexObject *)self)->attributes);
  return 0;
}

/* A lock that is still held keeps its mapping: nothing becomes undefined, and the end of the process counts as a death.
 */
static void close_collected(PyObject *self) {
  SharedMutex *const mutex = mutex_of(self);
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  if (close_now(self) != 0) {
    MutexObject *const object = (MutexObject *)self;
    const bool silent = is_finalizing() && (object->reported || !is_held_here(object));
    leave_list(object);
    mutex->handle = NULL;
    mutex->view = NULL;
    if (!silent) report_held(mutex);
  }
  PyErr_Restore(type, value, traceback);
}

void mutex_dealloc(PyObject *self) {
  PyTypeObject *const type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (((MutexObject *)self)->weak_references != NULL) PyObject_ClearWeakRefs(self);
  SharedMutex *const mutex = mutex_of(self);
  if (mutex->handle != NULL) close_collected(self);
  (void)mutex_clear(self);
  Py_CLEAR(mutex->path);
  Py_CLEAR(mutex->absolute);
  type->tp_free(self);
  Py_DECREF(type);
}
