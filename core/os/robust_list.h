// The calling thread's robust list: what the kernel walks when the thread dies (get_robust_list(2),
// Documentation/locking/robust-futexes.rst). The kernel has one per thread and libc registered it, so we join libc's.
//
// libc's shape on 64 bits: entries point at the `next` of a node; the back pointer lies before it, before the head too.
// Bit 0 of a pointer marks an entry of a priority-inheritance lock.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/atomics.h"

namespace shmutex {

// Where words lie, nodes lie on multiples of four only (see node_distance).
using NodePointer __attribute__((aligned(4))) = void*;

// A node of the thread's robust list, in libc's shape: the list's pointers point at `next`, `prev` lies before it.
struct Node {
  NodePointer prev;
  NodePointer next;
};

// The distance from a word to the `next` of its node: -futex_offset of the C library. glibc: 32. (musl: 28.)
inline constexpr ptrdiff_t node_distance = 32;

struct RobustHead {
  void* list;
  long futex_offset;
  void* pending;  // the kernel's list_op_pending: the entry that an operation is under way on, with its bit 0
};

namespace robust {

inline void* tagged(Node& node, uintptr_t pi_bit) {
  return reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(&node.next) | pi_bit);
}

inline NodePointer* untagged(void* entry) {
  return reinterpret_cast<NodePointer*>(reinterpret_cast<uintptr_t>(entry) & ~uintptr_t{1});
}

inline void set_pending(RobustHead& head, void* entry) {
  compiler_barrier();
  *const_cast<void* volatile*>(&head.pending) = entry;
  compiler_barrier();
}

inline void clear_pending(RobustHead& head) { set_pending(head, nullptr); }

inline bool is_empty(const RobustHead& head) { return head.list == &head.list; }

// The node becomes complete before the list leads to it: the kernel may walk between any two instructions. Stores one
// by one: merged into vector stores, they would be slow to load again in unlink(). The back pointer before the head is
// never read, by libc neither, so it need not be written.
inline void link(RobustHead& head, Node& node, void* entry) {
  void* const next = head.list;
  if (unlikely(next != &head.list)) untagged(next)[-1] = &node.next;
  *const_cast<NodePointer volatile*>(&node.next) = next;
  *const_cast<NodePointer volatile*>(&node.prev) = &head.list;
  compiler_barrier();
  *const_cast<void* volatile*>(&head.list) = entry;
  compiler_barrier();
}

inline void unlink(RobustHead& head, Node& node) {
  void* const next = node.next;
  NodePointer* const prev = untagged(node.prev);
  if (unlikely(next != &head.list)) untagged(next)[-1] = prev;
  compiler_barrier();
  *const_cast<NodePointer volatile*>(prev) = next;
  compiler_barrier();
}

// How many entries the list has, up to the 2048 that the kernel would walk.
inline unsigned length(const RobustHead& head) {
  unsigned count = 0;
  for (void* entry = head.list; untagged(entry) != &head.list && count < 2048; entry = *untagged(entry)) ++count;
  return count;
}

// The calling thread's registered head; nullptr where it has none (a raw clone(2)). -errno: the kernel has no such
// call.
long registered_head(RobustHead*& head);
long register_head(RobustHead& head);

// Whether libc's list has the shape above, found out with a real robust mutex.
bool libc_shape_is_known(const RobustHead& head);

}  // namespace robust
}  // namespace shmutex
