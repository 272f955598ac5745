// Whether the owner of a robust word, which the kernel did not report dead, is dead all the same: the kernel's notice can get
// lost (docs/design/crash-safety.md). A backstop: no normal path waits for it.
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

// Marks the word's owner dead if it is, and the word is still its own. The word must be pending. `token` changes with every
// acquisition. True: the word has become free.
bool mark_if_dead(uint32_t& word, const uint64_t& token);

}  // namespace shmutex
