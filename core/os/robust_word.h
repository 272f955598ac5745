// The lock word, and the baton word, which has the same form: Linux's robust-futex format, because the kernel itself
// edits it when its owner dies (Documentation/locking/robust-futex-ABI.rst).
//
//   bits 0-29  owner TID          0 = free. Never wrong while the owner lives.
//   bit  30    owner_died         The last owner died inside and nobody has declared the data consistent since. May be
//                                 set wrongly by a peer that lies, never cleared but by the owner.
//   bit  31    waiters            The head waiter may be asleep on this word. May be set with no sleeper (an unlock then
//                                 makes one idle system call); never cleared under a sleeper by a store separate from
//                                 its wake.
//
//   word                meaning                                        who may leave it so
//   0                   free                                           unlock; nobody waits
//   W                   free, one wake is on its way                   unlock where FUTEX_WAKE_OP is refused
//   D, W+D              free, inconsistent                             the kernel; unlock without consistent
//   t                   held                                           acquire; a head waiter that got it
//   t+W                 held, the head waiter may be asleep            head waiter; barging acquire
//   t+D, t+W+D          held, not yet declared consistent              acquire after D
//
// No other bit may ever be set while the word is owned: the kernel compares bits 0-29 with the dying thread's TID.
#pragma once

#include <linux/futex.h>

#include <cstdint>

namespace shmutex::word {

inline constexpr uint32_t tid_mask = FUTEX_TID_MASK;
inline constexpr uint32_t owner_died = FUTEX_OWNER_DIED;
inline constexpr uint32_t waiters = FUTEX_WAITERS;

constexpr uint32_t tid(uint32_t word) { return word & tid_mask; }
constexpr bool is_free(uint32_t word) { return tid(word) == 0; }

// A barger takes a free word and leaves the flags as they are, since the head waiter may rely on W.
constexpr uint32_t taken_by_barger(uint32_t word, uint32_t self) { return self | (word & (waiters | owner_died)); }

// The head waiter drops W: it is the only one who ever sleeps on the lock word, and it is awake.
constexpr uint32_t taken_by_head(uint32_t word, uint32_t self) { return self | (word & owner_died); }

// What a release leaves behind: D stays until an owner declares the data consistent.
constexpr uint32_t released(uint32_t word) { return word & owner_died; }

// What the kernel writes when the owner dies.
constexpr uint32_t orphaned(uint32_t word) { return (word & waiters) | owner_died; }

static_assert(tid_mask == 0x3fffffff && owner_died == 0x40000000 && waiters == 0x80000000);
static_assert(is_free(waiters | owner_died) && !is_free(1));
static_assert(taken_by_barger(waiters | owner_died, 7) == (waiters | owner_died | 7));
static_assert(taken_by_head(waiters | owner_died, 7) == (owner_died | 7));
static_assert(released(waiters | owner_died | 7) == owner_died && released(waiters | 7) == 0);
static_assert(orphaned(waiters | 7) == (waiters | owner_died) && orphaned(7) == owner_died);

}  // namespace shmutex::word
