// Locks in memory that the caller brings: Header, SharedLine and PrivateLine, one behind the other.
#pragma once

#include <cstddef>

#include "mutex/layout.h"
#include "object/header.h"

namespace shmutex {

inline constexpr size_t buffer_size = sizeof(Header) + sizeof(Lock);
inline constexpr size_t buffer_alignment = 64;

int init_buffer(void* memory, size_t length, uint32_t attributes);
int attach_buffer(Lock*& out, void* memory, size_t length, uint32_t attributes, bool any_attributes, bool init_once);
int destroy_buffer(void* memory, size_t length);

}  // namespace shmutex
