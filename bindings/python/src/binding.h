/* What the parts of the extension module share. All functions need the GIL, and say failure the CPython way: NULL or
 * -1, with an exception set. */
#ifndef SHMUTEX_PYTHON_BINDING_H
#define SHMUTEX_PYTHON_BINDING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <shmutex/shmutex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One open lock. */
typedef struct SharedMutex {
  shmutex_t *handle;   /* NULL: closed, or never opened */
  unsigned attributes; /* SHMUTEX_RECURSIVE | SHMUTEX_FAIR */
  unsigned inside;     /* threads that are in a call on it without the GIL, or in its recovery function */
  PyObject *path;      /* as the caller gave it, str or bytes; None for a buffer */
  PyObject *absolute;  /* the same from the root, wherever the process goes meanwhile; None for a buffer */
  PyObject *recover;   /* None, ACCEPT or a callable */
  Py_buffer *view;     /* the buffer that the lock lies in; on the heap, since a Py_buffer may point into itself */
  PyObject *keeper;    /* the SharedMemory that must not be destroyed before the view is released; or NULL */
  void *memory;        /* and where in it */
  unsigned inherited;  /* `with` blocks of the parent's thread that this forked child is in, holding nothing */
} SharedMutex;

typedef struct MutexObject {
  PyObject_HEAD SharedMutex mutex;
  PyObject *weak_references;
  bool name_lost;                      /* and a warning was logged */
  int64_t looked;                      /* when, in CLOCK_MONOTONIC, whether its path still leads to it */
  bool reported;                       /* as held at the interpreter's exit */
  unsigned depth_at_fork;              /* how often the thread that forks holds it */
  PyObject *records;                   /* what is to be logged once the lock is released; or NULL */
  PyObject *attributes;                /* of instances of subclasses, and of those who like to attach things */
  struct MutexObject *previous, *next; /* all that are open */
} MutexObject;

static inline SharedMutex *mutex_of(PyObject *self) { return &((MutexObject *)self)->mutex; }
static inline MutexObject *object_of(SharedMutex *mutex) {
  return (MutexObject *)(void *)((char *)mutex - offsetof(MutexObject, mutex));
}

/* The interpreter is being torn down: the binding's Python half may be gone. */
static inline bool is_finalizing(void) {
#if PY_VERSION_HEX >= 0x030D0000
  return Py_IsFinalizing();
#else
  return _Py_IsFinalizing();
#endif
}

/* acquire.c */
PyObject *mutex_acquire(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);
PyObject *mutex_lock(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);
PyObject *mutex_enter(PyObject *self, PyObject *unused);
PyObject *mutex_release(PyObject *self, PyObject *unused);
PyObject *mutex_exit(PyObject *self, PyObject *const *args, Py_ssize_t count);
int acquire_init(void);
/* Waits as long as it takes, signals or not; judges a dead owner. */
int mutex_acquire_uninterrupted(SharedMutex *mutex);

/* condition.c: what threading.Condition asks of a lock */
PyObject *mutex_release_save(PyObject *self, PyObject *unused);
PyObject *mutex_acquire_restore(PyObject *self, PyObject *argument);
PyObject *mutex_is_owned(PyObject *self, PyObject *unused);
PyObject *mutex_at_fork_reinit(PyObject *self, PyObject *unused);

/* lifetime.c */
int mutex_init(PyObject *self, PyObject *args, PyObject *keywords);
PyObject *mutex_from_buffer(PyObject *type, PyObject *args, PyObject *keywords);
PyObject *mutex_close(PyObject *self, PyObject *unused);
PyObject *mutex_unlink(PyObject *self, PyObject *unused);
int mutex_traverse(PyObject *self, visitproc visit, void *arg);
int mutex_clear(PyObject *self);
void mutex_dealloc(PyObject *self);
/* Whether a mutex lies in any buffer, or in this one, and keeps it from being closed. */
bool buffers_in_use(void);
bool is_in_use(const Py_buffer *view);
/* All open mutexes, linked by `next`. */
MutexObject *open_mutexes(void);

/* log.c */
void log_debug(const char *text, const SharedMutex *mutex);
/* It is collected while its lock is held. The logger may be gone already when the interpreter ends. */
void log_collected(const SharedMutex *mutex);
/* Logs what was found at an owner's death, or, while the lock is held, keeps it back. What log handlers raise does not
 * get here, but KeyboardInterrupt and its like: then -1, and it takes the place of an exception that is set. */
int log_death(SharedMutex *mutex, PyObject *records, bool held);
/* Of a mutex that is about to wait: logs, once, that its path no longer leads to its lock. Looks at most once a second,
 * since this asks the file system. 0; or -1, as log_death(). */
int warn_of_lost_name(SharedMutex *mutex, int64_t now_ns);
/* How many mutexes keep records back. After a release of a handle, if there are any: logs that lock's. 0 or -1. */
extern unsigned kept_back;
int log_kept_back(const shmutex_t *handle);
/* The mutex is about to be closed: its records pass to another of its lock's, or are logged. */
void pass_records_on(MutexObject *object, const shmutex_t *handle);
/* All records that are kept back. */
PyObject *take_all_records(void);
/* Names of the open locks that threads of this process hold, each lock once, and never again. */
PyObject *unreported_held_names(void);
bool was_left_held(const MutexObject *object);

/* fork.c */
void before_fork(void);
void after_fork_in_child(void);

/* type.c */
void tidy_docs(PyMethodDef *table);
PyObject *make_type(const PyMethodDef *swig_methods);

/* module.c */
int check_interpreter(void);
int add_functions(PyObject *module);

/* support.c: the binding's Python half, shmutex/_support.py */
/* Takes the module and a dictionary of its names; returns those that it was given first. A new reference. */
PyObject *connect_support(PyObject *module, PyObject *names);
/* For a package that was dropped and is imported again: puts the module that it had back, so that the exceptions are
 * the same ones, whichever import a program has. 0 or -1. */
int restore_support(void);
PyObject *call_support(const char *name, const char *format, ...);
/* Raises the exception of a code, with the library's own sentence. by_path: the call was about a file, not a held lock.
 */
PyObject *raise_code(int code, PyObject *filename, bool by_path);
/* The same exception, not raised. */
PyObject *make_error(int code, PyObject *filename, bool by_path);
PyObject *raise_closed(void);
PyObject *info_object(const shmutex_info_t *info);
PyObject *owner_object(const shmutex_info_t *info);

#endif
