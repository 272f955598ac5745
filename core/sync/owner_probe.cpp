#include "sync/owner_probe.h"

#include "base/atomics.h"
#include "os/robust_word.h"
#include "os/thread.h"

namespace shmutex {
bool short_call_may_probe(uint32_t& probed, int64_t now) {
  const auto seconds = static_cast<uint32_t>(now / second);
  if (load_relaxed(probed) == seconds) return false;
  store_relaxed(probed, seconds);
  return true;
}

void let_next_short_call_probe(uint32_t& probed) {
  store_relaxed(probed, static_cast<uint32_t>(now_ns() / second) - 1);
}

bool mark_if_dead(uint32_t& word, const uint64_t& token) {
  uint32_t found = load_relaxed(word);
  if (word::is_free(found)) return true;
  const uint64_t seen = load_acquire(token);
  if (!thread_is_dead(word::tid(found)) || load_acquire(token) != seen) return false;
  return cas_relaxed(word, found, word::orphaned(found));
}

}  // namespace shmutex
