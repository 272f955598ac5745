/* Acquire and release. The fast path, a lock that is free, keeps the GIL: releasing it would cost more than the lock.
 * Every wait releases it. */
#include <errno.h>
#include <math.h>
#include <shmutex/detail/recovery.h>
#include <time.h>
#include <unistd.h>

#include "binding.h"

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define COLD __attribute__((cold, noinline))

static const int64_t second = 1000000000;
static const int64_t forever = INT64_MAX;
/* The core notices a signal handler that runs during a wait, not one that ran just before. This bounds how late Ctrl-C
 * is. */
static const int64_t slice = 100000000;
static const int raised = -1;

static PyObject *blocking_keyword, *timeout_keyword;

/* CPython's own; where a version no longer exports it, the symbol is NULL. */
// NOLINTNEXTLINE(readability-redundant-declaration): some versions declare it, too
PyAPI_FUNC(int) _PyOS_IsMainThread(void) __attribute__((weak));

int acquire_init(void) {
  blocking_keyword = PyUnicode_InternFromString("blocking");
  timeout_keyword = PyUnicode_InternFromString("timeout");
  return blocking_keyword == NULL || timeout_keyword == NULL ? -1 : 0;
}

/* Whether Python's signal handlers run in this thread. Not `threading` is asked, to whom gevent gives a greenlet's
 * ident for the main thread's. */
static bool runs_signal_handlers(void) {
  return &_PyOS_IsMainThread != NULL ? _PyOS_IsMainThread() != 0
                                     : PyThread_get_thread_native_id() == (unsigned long)getpid();
}

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * second + now.tv_nsec;
}

static bool is_held(int code) { return code == 0 || code == EOWNERDEAD; }

/* One wait without the GIL. */
static int sleep_for_it(shmutex_t *handle, int64_t timeout_ns, unsigned flags) {
  int code;
  /* The thread that has the GIL while the interpreter ends is the one that ends it, and will have it again. */
  const bool ends_it = is_finalizing();
  Py_BEGIN_ALLOW_THREADS code = shmutex_acquire(handle, timeout_ns, flags);
  /* Any other thread does not survive getting the GIL back now; so none need hear of a death inside. */
  if (is_held(code) && !ends_it && is_finalizing()) (void)shmutex_unlock(handle);
  Py_END_ALLOW_THREADS return code;
}

/* In a forked child, a signal handler or recovery function may close what its parent's thread is inside of. */
static COLD int closed_meanwhile(void) {
  if (PyErr_Occurred() == NULL) (void)raise_closed();
  return raised;
}

/* Python runs signal handlers in its main thread only; that one sleeps in slices. Other threads wait in one piece,
 * and so keeps its place in a fair lock's queue. Returns what shmutex_timedlock() does, or `raised`, and then nothing
 * is held. */
static int wait_in_slices(SharedMutex *mutex, int64_t deadline) {
  for (;;) {
    if (PyErr_CheckSignals() != 0) return raised;
    if (mutex->handle == NULL) return closed_meanwhile();
    if (warn_of_lost_name(mutex, now_ns()) != 0) return raised;
    if (mutex->handle == NULL) return closed_meanwhile();
    int64_t left = slice;
    bool last = false;
    if (deadline != forever) {
      left = deadline - now_ns();
      if (left < 0) left = 0;
      last = left <= slice;
      if (!last) left = slice;
    }
    const int code = sleep_for_it(mutex->handle, left, SHMUTEX_INTERRUPTIBLE);
    if (code == EINTR || (code == ETIMEDOUT && !last)) continue;
    if (is_held(code) && PyErr_CheckSignals() != 0) {
      if (mutex->handle != NULL) (void)shmutex_unlock(mutex->handle);
      return raised;
    }
    return mutex->handle == NULL ? closed_meanwhile() : code;
  }
}

static int wait_at_once(SharedMutex *mutex, int64_t deadline) {
  if (warn_of_lost_name(mutex, now_ns()) != 0) return raised;
  if (mutex->handle == NULL) return closed_meanwhile();
  int64_t left = -1;
  if (deadline != forever) {
    left = deadline - now_ns();
    if (left < 0) left = 0;
  }
  return sleep_for_it(mutex->handle, left, 0);
}

/* The lock is held, and its last owner died inside: never entered unaware. 0, an errno value or `raised`. It is logged
 * when the lock's state is settled, since log handlers may use locks too, this one included. */
static int judge_death(SharedMutex *mutex) {
  ++mutex->inside;
  PyObject *const records = PyList_New(0);
  /* Put into words now: what log handlers and the recovery function do may fail, and overwrite the library's. */
  PyObject *const died = make_error(EOWNERDEAD, mutex->path, false);
  PyObject *const recover = mutex->recover == NULL ? Py_None : mutex->recover;
  PyObject *const answer = died == NULL || records == NULL
                               ? NULL
                               : call_support("judge_death", "(OOO)", (PyObject *)object_of(mutex), recover, records);
  const enum shmutex_verdict verdict =
      answer == NULL ? SHMUTEX_VERDICT_LEAVE : (enum shmutex_verdict)PyLong_AsLong(answer);
  Py_XDECREF(answer);
  if (mutex->inside != 0) --mutex->inside;
  int code = mutex->handle == NULL ? closed_meanwhile() : shmutex_settle_death(mutex->handle, verdict);
  if (PyErr_Occurred() != NULL) code = raised;
  if (records != NULL && log_death(mutex, records, code == 0) != 0) code = raised;
  Py_XDECREF(records);
  if (code == EOWNERDEAD && died != NULL) {
    PyErr_SetObject((PyObject *)Py_TYPE(died), died);
    code = raised;
  }
  Py_XDECREF(died);
  return code;
}

/* What a trylock that failed leads to. 0, an errno value or `raised`; held only if 0. */
static COLD int acquire_slowly(SharedMutex *mutex, int code, int64_t deadline) {
  if (code == EBUSY) {
    ++mutex->inside;
    code = runs_signal_handlers() ? wait_in_slices(mutex, deadline) : wait_at_once(mutex, deadline);
    if (mutex->inside != 0) --mutex->inside;
  }
  return code == EOWNERDEAD ? judge_death(mutex) : code;
}

static COLD PyObject *fail(const SharedMutex *mutex, int code) {
  return code == raised ? NULL : raise_code(code, mutex->path, false);
}

int mutex_acquire_uninterrupted(SharedMutex *mutex) {
  int code = shmutex_trylock(mutex->handle);
  if (code == EBUSY) {
    ++mutex->inside;
    code = sleep_for_it(mutex->handle, -1, 0);
    if (mutex->inside != 0) --mutex->inside;
  }
  if (code == EOWNERDEAD) code = judge_death(mutex);
  if (code == 0) return 0;
  (void)fail(mutex, code);
  return -1;
}

PyObject *mutex_enter(PyObject *self, PyObject *unused) {
  (void)unused;
  SharedMutex *const mutex = mutex_of(self);
  if (UNLIKELY(mutex->handle == NULL)) return raise_closed();
  int code = shmutex_trylock(mutex->handle);
  if (UNLIKELY(code != 0)) {
    code = acquire_slowly(mutex, code, forever);
    if (code != 0) return fail(mutex, code);
  }
  Py_INCREF(self);
  return self;
}

/* What a release leads to. */
static inline PyObject *released(const SharedMutex *mutex, int code) {
  if (UNLIKELY(code != 0)) return fail(mutex, code);
  if (UNLIKELY(kept_back != 0) && log_kept_back(mutex->handle) != 0) return NULL;
  Py_RETURN_NONE;
}

PyObject *mutex_release(PyObject *self, PyObject *unused) {
  (void)unused;
  const SharedMutex *const mutex = mutex_of(self);
  if (UNLIKELY(mutex->handle == NULL)) return raise_closed();
  return released(mutex, shmutex_unlock(mutex->handle));
}

/* A forked child is in the `with` block of its parent's thread too, and leaves it without a word: it holds nothing. */
static COLD bool leaves_block_of_parent(SharedMutex *mutex) {
  if (mutex->inherited == 0 || (mutex->handle != NULL && shmutex_is_owned(mutex->handle) != 0)) return false;
  --mutex->inherited;
  return true;
}

PyObject *mutex_exit(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  (void)args;
  (void)count;
  SharedMutex *const mutex = mutex_of(self);
  const int code = mutex->handle == NULL ? EBADF : shmutex_unlock(mutex->handle);
  if (UNLIKELY(code == EPERM || code == EBADF) && leaves_block_of_parent(mutex)) Py_RETURN_NONE;
  return UNLIKELY(code == EBADF) ? raise_closed() : released(mutex, code);
}

static COLD int refuse_timeout(PyObject *type, const char *why) {
  PyErr_SetString(type, why);
  return -1;
}

/* Seconds, as threading.Lock takes them, into nanoseconds; -1 leaves *timeout_ns alone. */
static int parse_timeout(PyObject *timeout, bool blocking, int64_t *timeout_ns) {
  static const double too_large = 9223372036.854775807; /* INT64_MAX nanoseconds */
  double seconds;
  if (PyFloat_CheckExact(timeout)) {
    seconds = PyFloat_AS_DOUBLE(timeout);
  } else {
    seconds = PyFloat_AsDouble(timeout);
    if (UNLIKELY(seconds == -1.0 && PyErr_Occurred() != NULL)) return -1;
  }
  if (seconds == -1.0) return 0;
  /* In threading.Lock's order. */
  if (UNLIKELY(isnan(seconds))) return refuse_timeout(PyExc_ValueError, "Invalid value NaN (not a number)");
  if (UNLIKELY(fabs(seconds) >= too_large)) {
    return refuse_timeout(PyExc_OverflowError, "timeout value is out of range");
  }
  if (UNLIKELY(!blocking)) {
    return refuse_timeout(PyExc_ValueError, "can't specify a timeout for a non-blocking call");
  }
  if (UNLIKELY(seconds < 0)) {
    return refuse_timeout(PyExc_ValueError, "timeout value must be a non-negative number");
  }
  /* Rounded up: never shorter than asked for. */
  *timeout_ns = (int64_t)ceil(seconds * (double)second);
  return 0;
}

typedef struct {
  PyObject *blocking, *timeout;
} Arguments;

static COLD int refuse_keyword(const char *function, PyObject *name, bool twice) {
  PyErr_Format(PyExc_TypeError,
               twice ? "%s() got multiple values for argument '%U'" : "%s() got an unexpected keyword argument '%U'",
               function, name);
  return -1;
}

static int collect(const char *function, PyObject *const *args, Py_ssize_t count, PyObject *keywords, Arguments *out) {
  if (UNLIKELY(count > 2)) {
    PyErr_Format(PyExc_TypeError, "%s() takes at most 2 positional arguments (%zd given)", function, count);
    return -1;
  }
  if (count > 0) out->blocking = args[0];
  if (count > 1) out->timeout = args[1];
  const Py_ssize_t named = keywords == NULL ? 0 : PyTuple_GET_SIZE(keywords);
  for (Py_ssize_t i = 0; i < named; ++i) {
    PyObject *const name = PyTuple_GET_ITEM(keywords, i);
    PyObject **into;
    if (name == timeout_keyword || PyUnicode_Compare(name, timeout_keyword) == 0) {
      into = &out->timeout;
    } else if (name == blocking_keyword || PyUnicode_Compare(name, blocking_keyword) == 0) {
      into = &out->blocking;
    } else {
      return refuse_keyword(function, name, false);
    }
    if (UNLIKELY(*into != NULL)) return refuse_keyword(function, name, true);
    *into = args[count + i];
  }
  return 0;
}

/* What became of a first try. timeout: nanoseconds, or `forever`. */
static COLD PyObject *finish_acquire(SharedMutex *mutex, int code, bool blocking, int64_t timeout) {
  if (code == EBUSY && (!blocking || timeout == 0)) Py_RETURN_FALSE;
  const int64_t now = now_ns();
  code = acquire_slowly(mutex, code, timeout > forever - now ? forever : now + timeout);
  if (code == 0) Py_RETURN_TRUE;
  if (code == ETIMEDOUT) Py_RETURN_FALSE;
  return fail(mutex, code);
}

static inline PyObject *try_acquire(PyObject *self, bool blocking, int64_t timeout) {
  SharedMutex *const mutex = mutex_of(self);
  if (UNLIKELY(mutex->handle == NULL)) return raise_closed();
  const int code = shmutex_trylock(mutex->handle);
  if (UNLIKELY(code != 0)) return finish_acquire(mutex, code, blocking, timeout);
  Py_RETURN_TRUE;
}

static __attribute__((noinline)) PyObject *acquire_with(const char *function, bool none_is_forever, PyObject *self,
                                                        PyObject *const *args, Py_ssize_t count, PyObject *keywords) {
  Arguments given = {NULL, NULL};
  if (UNLIKELY(collect(function, args, count, keywords, &given) != 0)) return NULL;
  int blocking = 1;
  int64_t timeout = forever;
  if (given.blocking != NULL) {
    blocking = PyObject_IsTrue(given.blocking);
    if (UNLIKELY(blocking < 0)) return NULL;
  }
  if (given.timeout != NULL && !(none_is_forever && given.timeout == Py_None)) {
    if (UNLIKELY(parse_timeout(given.timeout, blocking != 0, &timeout) != 0)) return NULL;
  }
  /* Only now a look at the mutex: parsing runs the program's code (__float__, __bool__), which may have closed it. */
  return try_acquire(self, blocking != 0, timeout);
}

PyObject *mutex_acquire(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords) {
  if (LIKELY(count == 0 && keywords == NULL)) return try_acquire(self, true, forever);
  return acquire_with("acquire", false, self, args, count, keywords);
}

PyObject *mutex_lock(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords) {
  if (LIKELY(count == 0 && keywords == NULL)) return try_acquire(self, true, forever);
  return acquire_with("lock", true, self, args, count, keywords);
}
