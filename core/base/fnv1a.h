// FNV-1a, 64 bits: a checksum against accidents, and a name's hash. No protection against lies.
#pragma once

#include <cstddef>
#include <cstdint>

namespace shmutex {

inline constexpr uint64_t fnv1a_basis = 0xcbf2'9ce4'8422'2325;

inline uint64_t fnv1a(const void* bytes, size_t size, uint64_t hash = fnv1a_basis) {
  const auto* const begin = static_cast<const unsigned char*>(bytes);
  for (size_t i = 0; i < size; ++i) hash = (hash ^ begin[i]) * 0x100'0000'01b3;
  return hash;
}

}  // namespace shmutex
