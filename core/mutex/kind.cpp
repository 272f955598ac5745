#include "mutex/kind.h"

#include <errno.h>
#include <string.h>

#include "mutex/mutex.h"
#include "os/clock.h"
#include "os/thread.h"
#include "sync/owner_probe.h"

namespace shmutex {
namespace {

SharedLine& shared_line(Line& line) { return reinterpret_cast<SharedLine&>(line); }

// Beyond any token of a lock that was removed from this path, or of which a crash of the machine lost the last state.
uint64_t fresh_token() { return static_cast<uint64_t>(clock_ns(CLOCK_REALTIME)); }

void make(Line& line) { shared_line(line).token = fresh_token(); }

void renew(Line& line, bool same_version) {
  const SharedLine old = shared_line(line);
  const uint32_t owner = word::tid(old.word);
  const bool held = owner != 0 || (old.word & word::owner_died) != 0 || (old.state & state::inconsistent) != 0;
  SharedLine fresh{};
  fresh.word = held ? word::owner_died : 0;
  fresh.state = old.state & (state::poisoned | state::retired);
  fresh.token = fresh_token();
  if (same_version && old.token > fresh.token) fresh.token = old.token;
  fresh.contended = old.contended;
  fresh.recoveries = old.recoveries;
  fresh.last_dead_tid = owner != 0 ? owner : old.last_dead_tid;
  shared_line(line) = fresh;
}

bool is_retired(const Line& line) {
  return (load_relaxed(reinterpret_cast<const SharedLine&>(line).state) & state::retired) != 0;
}

void set_retired(Object& object, bool retired) {
  uint32_t& bits = lock_of(object).shared.state;
  if (retired) {
    __atomic_or_fetch(&bits, state::retired, __ATOMIC_RELAXED);
  } else {
    __atomic_and_fetch(&bits, ~state::retired, __ATOMIC_RELAXED);
  }
}

uint32_t owner_of(const Object& object) { return word::tid(load_relaxed(lock_of(object).shared.word)); }

Taken take(Object& object, uint32_t& owner, int& error) {
  Lock& lock = lock_of(object);
  const int64_t deadline = now_ns() + 100 * millisecond;
  let_next_short_call_probe(lock.shared.probed);
  for (;;) {
    owner = owner_of(object);
    if (is_owned(lock)) return Taken::busy;
    error = acquire(lock, 0, WaitMode::try_once);
    switch (error) {
      case 0:
      case EOWNERDEAD: return Taken::taken;
      case EBUSY: return Taken::busy;
      case EIDRM: return Taken::retired;
      case ENOTRECOVERABLE: break;
      default: return Taken::impossible;
    }
    // Poisoned: it is acquired no more, but an owner may still be inside, or a waiter just be finding out.
    if (owner == 0) return Taken::unusable;
    if (now_ns() > deadline) return Taken::busy;
    sleep_until(now_ns() + millisecond);
  }
}

int release_taken(Object& object) { return release(lock_of(object)); }

// Also while it is just being released, or was just acquired: the mark is not there any more, or not yet. And until the
// kernel is done with the robust list of a thread that died inside: the list leads through the object.
bool is_held_here(const Object& object) {
  if (is_of_another_tid_scope(object)) return false;
  const Lock& lock = lock_of(object);
  const Thread& self = this_thread();
  const uint32_t owner = owner_of(object);
  if (owner != self.tid && thread_of_this_process_exists(owner)) return true;
  const uint64_t marks[] = {load_acquire(lock.priv.linked_by), load_relaxed(lock.priv.unlinked_by),
                            load_relaxed(lock.priv.baton_linked)};
  for (const uint64_t mark : marks) {
    const uint32_t tid = thread_uid_tid(mark);
    if (mark == 0 || (is_in_memory(object) && tid != owner_of(object))) continue;
    if (tid == self.tid ? mark == self.thread_uid : thread_of_this_process_exists(tid)) return true;
  }
  return false;
}

uint32_t& initialiser(Object& object) { return lock_of(object).shared.baton; }

}  // namespace

const Kind mutex_kind = {
    .understood = {.kind = kind_number::mutex, .pages = 1, .features = 0, .attributes = attribute::all},
    .memory_size = sizeof(Header) + sizeof(Lock),
    .word_offset = offsetof(SharedLine, word),
    .make = make,
    .renew = renew,
    .is_retired = is_retired,
    .set_retired = set_retired,
    .take = take,
    .release = release_taken,
    .is_held_here = is_held_here,
    .owner = owner_of,
    .initialiser = initialiser,
};

}  // namespace shmutex
