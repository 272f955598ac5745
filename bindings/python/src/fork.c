/* What a forked child inherits: open mutexes, of which it holds none. */
#include "binding.h"

void before_fork(void) {
  for (MutexObject *each = open_mutexes(); each != NULL; each = each->next) {
    shmutex_info_t info = {.size = sizeof info};
    const bool held = shmutex_is_owned(each->mutex.handle) != 0 && shmutex_info(each->mutex.handle, &info) == 0;
    each->depth_at_fork = held ? info.depth : 0;
  }
}

/* None of the parent's other threads is inside anything here, and what is to be logged, the parent logs. */
void after_fork_in_child(void) {
  for (MutexObject *each = open_mutexes(); each != NULL; each = each->next) {
    each->mutex.inside = 0;
    each->mutex.inherited += each->depth_at_fork;
    each->depth_at_fork = 0;
    each->reported = false;
  }
  PyObject *const records = take_all_records();
  if (records == NULL) PyErr_WriteUnraisable(NULL);
  Py_XDECREF(records);
}
