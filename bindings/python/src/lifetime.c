/* Opening and closing, and what becomes of a mutex that was not closed. */
#include <errno.h>

#include "binding.h"
#include "mutex_options.h"

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

MutexObject *open_mutexes(void) { return first_open; }

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
  mutex->keeper = as->keeper;
  mutex->memory = as->memory;
  mutex->inherited = 0;
  ((MutexObject *)self)->reported = false;
  ((MutexObject *)self)->name_lost = false;
  ((MutexObject *)self)->looked = 0;
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
  const unsigned attributes = shmutex_attributes(recursive != 0, fair != 0);
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

/* The keeper goes last: a SharedMemory that is destroyed while a view is left complains. */
static void drop_view(Py_buffer *view, PyObject *keeper) {
  if (view != NULL) PyBuffer_Release(view);
  PyMem_Free(view);
  Py_XDECREF(keeper);
}

/* A SharedMemory, or what is like it, is no buffer, but has one. Sets *keeper then. A new reference, or NULL. */
static PyObject *buffer_of(PyObject *given, PyObject **keeper) {
  *keeper = NULL;
  PyObject *const buffer = PyObject_CheckBuffer(given) ? NULL : PyObject_GetAttrString(given, "buf");
  if (buffer == NULL) {
    PyErr_Clear(); /* so that the complaint is about the missing buffer protocol */
    Py_INCREF(given);
    return given;
  }
  Py_INCREF(given);
  *keeper = given;
  return buffer;
}

static Py_buffer *view_of(PyObject *buffer) {
  Py_buffer *const view = PyMem_Calloc(1, sizeof *view);
  if (view == NULL) {
    (void)PyErr_NoMemory();
  } else if (PyObject_GetBuffer(buffer, view, PyBUF_WRITABLE) != 0) {
    PyMem_Free(view);
    return NULL;
  }
  return view;
}

PyObject *mutex_from_buffer(PyObject *type, PyObject *args, PyObject *keywords) {
  static char *names[] = {"buffer", "offset", "recursive", "fair", "init", "recover", NULL};
  PyObject *given, *keeper, *init = Py_None, *recover = Py_None;
  Py_ssize_t offset = 0;
  int recursive = 0, fair = 0;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|n$ppOO:from_buffer", names, &given, &offset, &recursive, &fair,
                                   &init, &recover) ||
      check_recover(recover) != 0) {
    return NULL;
  }
  PyObject *const buffer = buffer_of(given, &keeper);
  Py_buffer *const view = view_of(buffer);
  Py_DECREF(buffer);
  if (view == NULL) {
    Py_XDECREF(keeper);
    return NULL;
  }
  PyObject *self = NULL;
  Opening opening = {NULL, 0, NULL};
  const unsigned attributes = shmutex_attributes(recursive != 0, fair != 0);
  if (check_place(view, offset) == 0) self = ((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, 0);
  void *const memory = self == NULL ? NULL : (char *)view->buf + offset;
  if (self == NULL || attach(&opening, memory, (size_t)(view->len - offset), attributes, init) != 0 ||
      opened(self,
             &(SharedMutex){.handle = opening.handle,
                            .attributes = attributes,
                            .view = view,
                            .keeper = keeper,
                            .memory = memory,
                            .path = Py_None,
                            .absolute = Py_None,
                            .recover = recover},
             opening.how) != 0) {
    Py_XDECREF(self);
    drop_view(view, keeper);
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
  const shmutex_t *const handle = mutex->handle;
  mutex->handle = NULL;
  Py_buffer *const view = mutex->view;
  PyObject *const keeper = mutex->keeper;
  mutex->view = NULL;
  mutex->keeper = NULL;
  pass_records_on((MutexObject *)self, handle);
  log_debug("closed", mutex);
  drop_view(view, keeper);
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
  Py_VISIT(mutex_of(self)->keeper);
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

/* Places of held locks that were collected: their buffers stay exported. */
typedef struct Place {
  uintptr_t address;
  struct Place *next;
} Place;
static Place *abandoned;

static void abandon_view(SharedMutex *mutex) {
  Place *const place = mutex->view == NULL ? NULL : PyMem_Malloc(sizeof *place);
  if (place != NULL) {
    *place = (Place){(uintptr_t)mutex->memory, abandoned};
    abandoned = place;
  }
  mutex->view = NULL;
  mutex->keeper = NULL;
}

static bool lies_in(const Py_buffer *view, uintptr_t address) {
  return address >= (uintptr_t)view->buf && address - (uintptr_t)view->buf < (size_t)view->len;
}

bool buffers_in_use(void) {
  const MutexObject *each = first_open;
  while (each != NULL && each->mutex.view == NULL) each = each->next;
  return each != NULL || abandoned != NULL;
}

bool is_in_use(const Py_buffer *view) {
  for (const MutexObject *each = first_open; each != NULL; each = each->next) {
    if (each->mutex.view != NULL && lies_in(view, (uintptr_t)each->mutex.memory)) return true;
  }
  for (const Place *each = abandoned; each != NULL; each = each->next) {
    if (lies_in(view, each->address)) return true;
  }
  return false;
}

/* A lock that is still held keeps its mapping: nothing becomes undefined, and the end of the process counts as a death.
 */
static void close_collected(PyObject *self) {
  SharedMutex *const mutex = mutex_of(self);
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  if (close_now(self) != 0) {
    MutexObject *const object = (MutexObject *)self;
    const bool silent = is_finalizing() && !was_left_held(object);
    leave_list(object);
    const shmutex_t *const handle = mutex->handle;
    mutex->handle = NULL;
    abandon_view(mutex);
    pass_records_on(object, handle);
    if (!silent) log_collected(mutex);
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
