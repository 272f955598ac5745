// What a lying peer writes into the page of a lock file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace attack {

inline constexpr size_t page_size = 4096;

struct Target {
  unsigned char* page;               // the shared page of the lock file
  const unsigned char* pristine;     // a copy of it from before the attack
  const unsigned char* other_page;   // that of another lock
  std::vector<uint32_t> tids;        // the victims', and the peer's own
  std::vector<uintptr_t> addresses;  // what lists in the victims' memory look like: their heads, nodes and handles
};

using Random = std::mt19937_64;

// Writes once; returns how many bytes.
using Write = size_t (*)(const Target& target, Random& random);

struct Strategy {
  const char* name;
  Write write;
};

extern const std::vector<Strategy> strategies;

}  // namespace attack
