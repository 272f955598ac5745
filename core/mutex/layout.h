// The 128 bytes that are a lock: a line that processes share, and a line of list nodes that, in a lock file, each
// process has for itself.
//
//            shared page of the file                    private page of this process
//   | Header … zero …  | SharedLine |              | PrivateLine | FileControl …
//                                   ^ page boundary
//   buffer:   | Header | SharedLine | PrivateLine |                        all of it in the caller's memory
//
// The kernel finds a robust futex word at a fixed distance from its list node (robust_list_head.futex_offset, -32 with
// glibc on 64 bits). That fixes the distance, not that both are shared: with the word in the last bytes of the shared
// page, the node falls into the private page behind it, out of every peer's reach.
#pragma once

#include <cstddef>
#include <cstdint>

#include "object/object.h"
#include "os/robust_list.h"

namespace shmutex {

// What other processes see. Layout is a promise to every process that maps the file: see format_version in header.h,
// and docs/man/shmutex.5.
struct alignas(64) SharedLine {
  uint64_t contended;      // acquisitions that waited; the owner writes
  uint32_t recoveries;     // successful consistent(); the owner writes
  uint32_t last_dead_tid;  // the new owner writes. Best effort: an owner killed right after its CAS is not named
  uint64_t last_owner;     // pid << 32 | tid; the owner writes. 0 after a release that kept owner_died
  uint64_t token;          // fencing token; the owner writes
  uint64_t yield_until;    // CLOCK_MONOTONIC ns until which bargers leave the lock to the head waiter. Advice: any
                           // value is harmless, since one that is past or too far ahead counts for nothing
  uint32_t state;          // state::… bits; the owner writes, and a removal. Above them: marks of the baton
  uint32_t baton;          // word of the waiters' queue; its holder, the head waiter, alone sleeps on `word`
  uint32_t depth;          // recursive acquisitions beyond the first; the owner writes, for others to look at
  uint32_t probed;  // CLOCK_MONOTONIC s: when a call that does not wait last asked whether the owner lives. Advice
  uint32_t marks;   // of dead owners of the word: sync/owner_probe.h
  uint32_t word;    // os/robust_word.h
};

namespace state {
inline constexpr uint32_t poisoned = 1;      // never acquirable again
inline constexpr uint32_t retired = 2;       // removed; never acquirable again
inline constexpr uint32_t inconsistent = 4;  // fair locks: owner_died, which the kernel's hand-over would drop
inline constexpr uint32_t flags = 0xff;      // all that there may ever be
}  // namespace state

template <size_t size>
struct Padding {
  unsigned char bytes[size];
};
template <>
struct Padding<0> {};

// musl's nodes lie four bytes nearer to their words than glibc's: both find room.
inline constexpr ptrdiff_t nearest_node = 28;
inline constexpr ptrdiff_t farthest_node = 32;

// A lock file: private to this process, so nothing here can be forged. A buffer: shared, written only by the owner.
struct PrivateLine {
  [[no_unique_address]] Padding<node_distance - nearest_node> before_nodes;
  Node baton_node;
  Node word_node;
  [[no_unique_address]] Padding<farthest_node - node_distance> behind_nodes;
  uint32_t depth_and_attributes;  // recursive acquisitions beyond the first << depth_shift | attribute::… bits
  uint64_t
      linked_by;  // thread_uid of the thread in whose robust list word_node is; 0: none. A thread that dies leaves it
  uint64_t
      unlinked_by;  // thread_uid of an owner that had to hold without linking: word_node is in another thread's list
  uint64_t baton_linked;  // as linked_by, for baton_node
};

inline constexpr unsigned depth_shift = 12;

namespace attribute {
inline constexpr uint32_t recursive = 0x1;
inline constexpr uint32_t fair = 0x2;
inline constexpr uint32_t all = recursive | fair;
inline constexpr uint32_t buffer = in_memory_bit;  // PrivateLine only: this lock lies in the caller's memory
}  // namespace attribute

struct Lock : Object {
  SharedLine shared;
  PrivateLine priv;
};

inline Lock& lock_of(Object& object) { return static_cast<Lock&>(object); }
inline const Lock& lock_of(const Object& object) { return static_cast<const Lock&>(object); }

inline uint32_t attributes(const Lock& lock) { return load_relaxed(lock.priv.depth_and_attributes); }
inline bool is_buffer(const Lock& lock) { return (attributes(lock) & attribute::buffer) != 0; }

// Recursive acquisitions beyond the first. To change it takes the owner.
inline uint32_t depth(const Lock& lock) { return load_relaxed(lock.priv.depth_and_attributes) >> depth_shift; }
inline void set_depth(Lock& lock, uint32_t depth) {
  const uint32_t bits = load_relaxed(lock.priv.depth_and_attributes) & ((1u << depth_shift) - 1);
  store_relaxed(lock.priv.depth_and_attributes, depth << depth_shift | bits);
}

static_assert(sizeof(SharedLine) == 64 && sizeof(PrivateLine) == 64 && sizeof(Lock) == 128);
static_assert(sizeof(SharedLine) == line_size && offsetof(Lock, priv.depth_and_attributes) == attributes_offset);
static_assert(offsetof(Lock, priv.word_node.next) == offsetof(Lock, shared.word) + node_distance);
static_assert(offsetof(Lock, priv.baton_node.next) == offsetof(Lock, shared.baton) + node_distance);
static_assert(offsetof(SharedLine, word) == 60 && offsetof(SharedLine, baton) == 44);
static_assert(alignof(Node) == 4 && sizeof(Node) == 16);

}  // namespace shmutex
