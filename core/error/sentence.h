// Makes the sentence of a fact: see reasons.inc for what stands in a pattern.
#pragma once

#include <cstddef>
#include <cstdint>

namespace shmutex {

struct Facts {
  const char* lock;  // a path; "" or null if there is none
  uint64_t a;
  uint64_t b;
};

// Fills out with a sentence that ends with a null character, and is cut off where there is no room.
void make_sentence(char* out, size_t size, const char* pattern, const Facts& facts);

}  // namespace shmutex
