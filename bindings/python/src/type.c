/* The class. Its cold methods come from SWIG's method table; acquiring and releasing, where a wrapper's cost would
 * show, are written here by hand. The type is ours too: SWIG's own brings a metaclass and methods that are not a
 * mutex's. */
#include <string.h>

#include "binding.h"
#include "docs.h"
#include "mutex_options.h"

#include <structmember.h> /* until 3.12 not part of Python.h */

#define FUNCTION(f) ((PyCFunction)(void (*)(void))(f))

static PyMethodDef methods[32] = {
    {"acquire", FUNCTION(mutex_acquire), METH_FASTCALL | METH_KEYWORDS, DOC_ACQUIRE},
    {"release", mutex_release, METH_NOARGS, DOC_RELEASE},
    {"lock", FUNCTION(mutex_lock), METH_FASTCALL | METH_KEYWORDS, DOC_LOCK},
    {"unlock", mutex_release, METH_NOARGS, DOC_UNLOCK},
    {"__enter__", mutex_enter, METH_NOARGS, DOC_ENTER},
    {"__exit__", FUNCTION(mutex_exit), METH_FASTCALL, DOC_EXIT},
    {"close", mutex_close, METH_NOARGS, DOC_CLOSE},
    {"unlink", mutex_unlink, METH_NOARGS, DOC_UNLINK},
    {"from_buffer", FUNCTION(mutex_from_buffer), METH_CLASS | METH_VARARGS | METH_KEYWORDS, DOC_FROM_BUFFER},
    {"_is_owned", mutex_is_owned, METH_NOARGS, DOC_IS_OWNED},
    {"_release_save", mutex_release_save, METH_NOARGS, DOC_RELEASE_SAVE},
    {"_acquire_restore", mutex_acquire_restore, METH_O, DOC_ACQUIRE_RESTORE},
    {"_at_fork_reinit", mutex_at_fork_reinit, METH_NOARGS, DOC_AT_FORK_REINIT},
};
static const size_t room = sizeof methods / sizeof methods[0];

/* SWIG's docstrings begin with a newline, which would hide the signature. */
void tidy_docs(PyMethodDef *table) {
  for (; table->ml_name != NULL; ++table) {
    while (table->ml_doc != NULL && *table->ml_doc == '\n') ++table->ml_doc;
  }
}

/* Adds what is not here yet. */
static int add_methods(const PyMethodDef *more) {
  for (; more->ml_name != NULL; ++more) {
    size_t i = 0;
    while (methods[i].ml_name != NULL && strcmp(methods[i].ml_name, more->ml_name) != 0) ++i;
    if (methods[i].ml_name != NULL) continue;
    if (i + 1 >= room) {
      PyErr_SetString(PyExc_ImportError, "shmutex: the method table is too small");
      return -1;
    }
    methods[i] = *more;
  }
  return 0;
}

static int look(PyObject *self, shmutex_info_t *info) {
  const SharedMutex *const mutex = mutex_of(self);
  memset(info, 0, sizeof *info);
  info->size = sizeof *info;
  if (mutex->handle == NULL) {
    (void)raise_closed();
    return -1;
  }
  const int code = shmutex_info(mutex->handle, info);
  if (code != 0) (void)raise_code(code, mutex->path, false);
  return code == 0 ? 0 : -1;
}

static PyObject *get_owned(PyObject *self, void *unused) {
  (void)unused;
  return mutex_is_owned(self, NULL);
}

static PyObject *get_owner(PyObject *self, void *unused) {
  (void)unused;
  shmutex_info_t info;
  return look(self, &info) == 0 ? owner_object(&info) : NULL;
}

static PyObject *get_depth(PyObject *self, void *unused) {
  (void)unused;
  shmutex_info_t info;
  return look(self, &info) == 0 ? PyLong_FromUnsignedLong(info.depth) : NULL;
}

static PyObject *get_token(PyObject *self, void *unused) {
  (void)unused;
  const SharedMutex *const mutex = mutex_of(self);
  return mutex->handle == NULL ? raise_closed() : PyLong_FromUnsignedLongLong(shmutex_token(mutex->handle));
}

static PyObject *or_none(PyObject *value) {
  PyObject *const result = value == NULL ? Py_None : value;
  Py_INCREF(result);
  return result;
}

static PyObject *get_path(PyObject *self, void *unused) {
  (void)unused;
  return or_none(mutex_of(self)->path);
}

static PyObject *get_closed(PyObject *self, void *unused) {
  (void)unused;
  return PyBool_FromLong(mutex_of(self)->handle == NULL);
}

static PyGetSetDef properties[] = {
    {"owned", get_owned, NULL, DOC_OWNED, NULL},
    {"owner", get_owner, NULL, DOC_OWNER, NULL},
    {"depth", get_depth, NULL, DOC_DEPTH, NULL},
    {"token", get_token, NULL, DOC_TOKEN, NULL},
    {"path", get_path, NULL, DOC_PATH, NULL},
    {"closed", get_closed, NULL, DOC_CLOSED, NULL},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyObject *mutex_locked(PyObject *self, PyObject *unused) {
  (void)unused;
  shmutex_info_t info;
  return look(self, &info) == 0 ? PyBool_FromLong(info.depth != 0) : NULL;
}

static PyObject *mutex_reduce(PyObject *self, PyObject *unused) {
  (void)unused;
  const SharedMutex *const mutex = mutex_of(self);
  if (mutex->handle == NULL) return raise_closed();
  return call_support(
      "reduce", "(OOOOO)", self, mutex->absolute, mutex->attributes & SHMUTEX_RECURSIVE ? Py_True : Py_False,
      mutex->attributes & SHMUTEX_FAIR ? Py_True : Py_False, mutex->recover == NULL ? Py_None : mutex->recover);
}

static PyMethodDef more_methods[] = {
    {"locked", mutex_locked, METH_NOARGS, DOC_LOCKED},
    {"__reduce__", mutex_reduce, METH_NOARGS, DOC_REDUCE},
    {NULL, NULL, 0, NULL},
};

static PyObject *mutex_repr(PyObject *self) {
  const SharedMutex *const mutex = mutex_of(self);
  const char *state = "closed";
  if (mutex->handle != NULL) {
    shmutex_info_t info;
    if (look(self, &info) != 0) return NULL;
    state = info.state == SHMUTEX_STATE_FREE   ? "unlocked"
            : info.state == SHMUTEX_STATE_HELD ? "locked"
                                               : shmutex_state_name(info.state);
  }
  PyObject *const module = PyObject_GetAttrString((PyObject *)Py_TYPE(self), "__module__");
  PyObject *const name = module == NULL ? NULL : PyObject_GetAttrString((PyObject *)Py_TYPE(self), "__qualname__");
  PyObject *text = NULL;
  if (name != NULL && mutex->memory != NULL) {
    text = PyUnicode_FromFormat("<%s %S.%S object at %p, buffer=%p>", state, module, name, self, mutex->memory);
  } else if (name != NULL) {
    text = PyUnicode_FromFormat("<%s %S.%S object at %p, path=%R>", state, module, name, self,
                                mutex->path == NULL ? Py_None : mutex->path);
  }
  Py_XDECREF(name);
  Py_XDECREF(module);
  return text;
}

static PyMemberDef members[] = {
#if PY_VERSION_HEX >= 0x03090000
    {"__weaklistoffset__", T_PYSSIZET, offsetof(MutexObject, weak_references), READONLY, NULL},
    {"__dictoffset__", T_PYSSIZET, offsetof(MutexObject, attributes), READONLY, NULL},
#endif
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, DOC_CLASS},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, mutex_init},
    {Py_tp_dealloc, mutex_dealloc},
    {Py_tp_traverse, mutex_traverse},
    {Py_tp_clear, mutex_clear},
    {Py_tp_repr, mutex_repr},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {Py_tp_members, members},
    {0, NULL},
};

#ifdef Py_TPFLAGS_IMMUTABLETYPE
#define IMMUTABLE Py_TPFLAGS_IMMUTABLETYPE
#else
#define IMMUTABLE 0
#endif

static PyType_Spec spec = {"shmutex.SharedMutex", sizeof(MutexObject), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | IMMUTABLE, slots};

static int add_constant(PyTypeObject *type, const char *name, long value) {
  PyObject *const number = PyLong_FromLong(value);
  const int result = number == NULL ? -1 : PyDict_SetItemString(type->tp_dict, name, number);
  Py_XDECREF(number);
  return result;
}

static PyTypeObject *make_type_once(const PyMethodDef *swig_methods) {
  if (add_methods(more_methods) != 0 || add_methods(swig_methods) != 0) return NULL;
  PyTypeObject *const type = (PyTypeObject *)PyType_FromSpec(&spec);
  if (type == NULL) return NULL;
#if PY_VERSION_HEX < 0x03090000
  type->tp_weaklistoffset = offsetof(MutexObject, weak_references);
  type->tp_dictoffset = offsetof(MutexObject, attributes);
#endif
#if PY_VERSION_HEX < 0x030A0000
  /* It has kept a copy without the first line, the signature. */
  char *const doc = PyObject_Malloc(sizeof DOC_CLASS);
  if (doc == NULL) {
    (void)PyErr_NoMemory();
    return NULL;
  }
  memcpy(doc, DOC_CLASS, sizeof DOC_CLASS);
  PyObject_Free((void *)type->tp_doc);
  type->tp_doc = doc;
#endif
  if (add_constant(type, "SIZE", SHMUTEX_SIZE) != 0 || add_constant(type, "ALIGN", SHMUTEX_ALIGN) != 0) {
    Py_DECREF(type);
    return NULL;
  }
  PyType_Modified(type);
  return type;
}

/* A module that is imported a second time has the same class. */
PyObject *make_type(const PyMethodDef *swig_methods) {
  static PyTypeObject *made;
  if (made == NULL) made = make_type_once(swig_methods);
  Py_XINCREF(made);
  return (PyObject *)made;
}
