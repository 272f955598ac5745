// Whether the owner of a robust word, which the kernel did not report dead, is dead all the same: the kernel's notice
// can get lost (docs/design/crash-safety.md). A backstop: no normal path waits for it.
#pragma once

#include <cstdint>

#include "os/clock.h"

namespace shmutex {

// Whether a call asks that does not wait, or not long enough for a timer of its own: one in a second, of all processes.
// `probed` is shared by them: whatever it says, the next second is another.
bool short_call_may_probe(uint32_t& probed, int64_t now);

// The next short call asks, however recently one has: it is about to do what is done seldom.
void let_next_short_call_probe(uint32_t& probed);

// When to ask: once a second of a wait.
class ProbeTimer {
 public:
  explicit ProbeTimer(int64_t now) : next_(now + second), worthwhile_(now + 50 * millisecond) {}

  // Also at the end of a wait that was not just a moment.
  bool due(int64_t now, bool last_chance) {
    if (now < next_ && !(last_chance && now >= worthwhile_)) return false;
    next_ = now + second;
    return true;
  }

 private:
  int64_t next_;
  int64_t worthwhile_;
};

// The 4 bytes before a robust word count, in their upper 24 bits, how often its owner was found dead and marked. Both
// are changed by one CAS. So a prober that was stopped between its question and its mark cannot mark a new owner that
// has been given the dead one's TID: once the owner is dead, only a mark takes the word from it, and that changes the
// count. The lower 8 bits are the primitive's.
inline constexpr uint32_t one_mark = 1u << 8;

// A robust word and its count, as they were when the owner was found dead.
struct DeadOwner {
  uint64_t seen;
};

// Whether the word has an owner that is certainly dead.
bool find_dead_owner(const uint32_t& word, DeadOwner& out);

// Takes the word from that owner, if it is still its own, and leaves `left` in it. The word must be pending.
bool take_from_dead_owner(uint32_t& word, const DeadOwner& owner, uint32_t left);

// Marks the word's owner dead if it is. The word must be pending. True: the word is free.
bool mark_if_dead(uint32_t& word);

}  // namespace shmutex
