#include "os/robust_list.h"

#include <pthread.h>

#include "os/syscall.h"

namespace shmutex::robust {

long registered_head(RobustHead*& head) {
  size_t size = 0;
  const long error = raw_syscall(SYS_get_robust_list, 0, as_arg(&head), as_arg(&size));
  return error;
}

long register_head(RobustHead& head) { return raw_syscall(SYS_set_robust_list, as_arg(&head), sizeof head); }

bool libc_shape_is_known(const RobustHead& head) {
  if (head.futex_offset != -node_distance || head.list == nullptr) return false;
  pthread_mutexattr_t attributes;
  pthread_mutex_t mutex;
  if (pthread_mutexattr_init(&attributes) != 0) return false;
  bool known = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST) == 0 &&
               pthread_mutex_init(&mutex, &attributes) == 0;
  pthread_mutexattr_destroy(&attributes);
  if (!known) return false;
  void* const before = head.list;
  if (pthread_mutex_lock(&mutex) == 0) {
    NodePointer* const node = reinterpret_cast<NodePointer*>(reinterpret_cast<char*>(&mutex) + node_distance);
    known = head.list == node && node[0] == before && node[-1] == &head.list;
    pthread_mutex_unlock(&mutex);
    known = known && head.list == before;
  } else {
    known = false;
  }
  pthread_mutex_destroy(&mutex);
  return known;
}

}  // namespace shmutex::robust
