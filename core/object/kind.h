// What tells one kind of shared object from another: a table of facts and functions for each. This folder creates,
// opens, takes over and removes objects without knowing what they are; the folders above it say so here.
#pragma once

#include <cstddef>
#include <cstdint>

#include "object/object.h"

namespace shmutex {

// How the attempt to take an object for its end went.
enum class Taken : uint8_t {
  taken,       // release it afterwards
  retired,     // its end has begun already
  unusable,    // nobody will ever acquire it: poisoned
  busy,        // in use
  impossible,  // a recorded error
};

struct Kind {
  Understood understood;  // its pages are pairs of a shared and a private page in a file
  size_t memory_size;     // in the caller's memory, header included
  uint32_t word_offset;   // of its first robust word, from the object's beginning

  // The line of a new object, from zeroes; and of a stale one's new life, from what it was. `same_version`: all its
  // fields mean what they mean here.
  void (*make)(Line& line);
  void (*renew)(Line& line, bool same_version);

  bool (*is_retired)(const Line& line);
  void (*set_retired)(Object& object, bool retired);

  // Exclusive use, for the object's end. `owner`: a TID to name where it is busy. `error`: for Taken::impossible.
  Taken (*take)(Object& object, uint32_t& owner, int& error);
  int (*release)(Object& object);

  // Whether a thread of this process, alive, holds it or is linked to it; and whom it names as its owner.
  bool (*is_held_here)(const Object& object);
  uint32_t (*owner)(const Object& object);

  // The robust word that the initialiser of zeroed memory holds meanwhile, and leaves as any other holder would.
  uint32_t& (*initialiser)(Object& object);
};

// Every kind that this library has: defined above, where they all come together (capi/kinds.cpp). Ends with null.
extern const Kind* const known_kinds[];

// What is understood of a kind: one of those, or the one asked for. Null: not known.
const Understood* understood_of(uint16_t number, const Kind& asked_for);

}  // namespace shmutex
