// Objects in memory that the caller brings: Header, Line and private line, one behind the other.
#pragma once

#include <cstddef>

#include "object/kind.h"

namespace shmutex {

inline constexpr size_t memory_alignment = line_size;

struct MemoryRequest {
  const Kind& kind;
  uint32_t attributes;
  bool any_attributes;  // whatever the object has
  bool initialise;      // zeroed memory, once
};

int init_memory(void* memory, size_t length, const Kind& kind, uint32_t attributes);
int attach_memory(Object*& out, void* memory, size_t length, const MemoryRequest& request);
int destroy_memory(void* memory, size_t length, const Kind& kind);

}  // namespace shmutex
