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

namespace {

// A peer may write either half at any time: each is only ever read or replaced as part of the whole.
using CountedWord __attribute__((may_alias)) = uint64_t;

uint32_t word_in(uint64_t counted) { return static_cast<uint32_t>(counted >> 32); }

}  // namespace

// Asked before and after the look. An owner that was still alive at the look could release the word and end, and a new
// one with its TID take it, without any mark.
bool find_dead_owner(const uint32_t& word, DeadOwner& out) {
  const uint32_t owner = word::tid(load_relaxed(word));
  if (owner == 0 || !thread_is_dead(owner)) return false;
  out.seen = load_acquire(*reinterpret_cast<const CountedWord*>(&word - 1));
  return word::tid(word_in(out.seen)) == owner && thread_is_dead(owner);
}

bool take_from_dead_owner(uint32_t& word, const DeadOwner& owner, uint32_t left) {
  const uint32_t count = static_cast<uint32_t>(owner.seen) + one_mark;
  uint64_t seen = owner.seen;
  return cas_relaxed(*reinterpret_cast<CountedWord*>(&word - 1), seen, uint64_t{left} << 32 | count);
}

bool mark_if_dead(uint32_t& word) {
  if (word::is_free(load_relaxed(word))) return true;
  DeadOwner owner{};
  if (!find_dead_owner(word, owner)) return false;
  return take_from_dead_owner(word, owner, word::orphaned(word_in(owner.seen)));
}

}  // namespace shmutex
