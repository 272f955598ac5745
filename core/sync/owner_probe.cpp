#include "sync/owner_probe.h"

#include "base/atomics.h"
#include "os/robust_word.h"
#include "os/thread.h"

namespace shmutex {

bool mark_if_dead(uint32_t& word, const uint64_t& token) {
  uint32_t found = load_relaxed(word);
  if (word::is_free(found)) return true;
  const uint64_t seen = load_acquire(token);
  if (!thread_is_dead(word::tid(found)) || load_acquire(token) != seen) return false;
  return cas_relaxed(word, found, word::orphaned(found));
}

}  // namespace shmutex
