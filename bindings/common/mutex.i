/* The mutex as the modules of all languages expose it, in the same words. A language's own interface file says before
 * it includes this one how these things look there:
 *
 *   struct SharedMutex                     what its objects wrap. One member is `shmutex_t *handle`, NULL once closed.
 *   %typemap(in) const char *path          a path
 *   %typemap(out) shmutex_result           0, or an errno value: the failure, told as the language tells failures.
 *                                          EBADF: the mutex is closed, which is a mistake of the program's.
 *   %typemap(in, numinputs=0), %typemap(argout) shmutex_info_t *found
 *                                          a snapshot as a result; shmutex_state_name() puts its state into a word
 */
%{
#include <errno.h>
#include <shmutex/mutex.h>

typedef int shmutex_result;
%}

typedef int shmutex_result;

%nodefaultctor SharedMutex;
%nodefaultdtor SharedMutex;
typedef struct SharedMutex {
} SharedMutex;

%extend SharedMutex {
  shmutex_result unlock() { return $self->handle == NULL ? EBADF : shmutex_unlock($self->handle); }
  shmutex_result consistent() { return $self->handle == NULL ? EBADF : shmutex_consistent($self->handle); }
  shmutex_result poison() { return $self->handle == NULL ? EBADF : shmutex_poison($self->handle); }
  shmutex_result info(shmutex_info_t *found) {
    found->size = sizeof *found;
    return $self->handle == NULL ? EBADF : shmutex_info($self->handle, found);
  }
}

%rename(unlink) shmutex_unlink_path;
%rename(inspect) shmutex_inspect_path;
%inline %{
static shmutex_result shmutex_unlink_path(const char *path) { return shmutex_unlink(path, 0); }
static shmutex_result shmutex_inspect_path(const char *path, shmutex_info_t *found) {
  found->size = sizeof *found;
  return shmutex_inspect(path, found);
}
%}
