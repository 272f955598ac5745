// The kinds of lock: plain, recursive, fair, both; in a lock file or in memory that the processes brought.
#pragma once

#include <gtest/gtest.h>
#include <shmutex/shmutex.h>

#include <ostream>
#include <string>
#include <vector>

namespace support {

struct Kind {
  unsigned attributes = 0;
  bool in_buffer = false;

  constexpr bool fair() const { return (attributes & SHMUTEX_FAIR) != 0; }
  constexpr bool recursive() const { return (attributes & SHMUTEX_RECURSIVE) != 0; }
};

inline constexpr Kind plain{};
inline constexpr Kind recursive{SHMUTEX_RECURSIVE};
inline constexpr Kind fair{SHMUTEX_FAIR};
inline constexpr Kind fair_recursive{SHMUTEX_FAIR | SHMUTEX_RECURSIVE};
constexpr Kind in_buffer(Kind kind) { return {kind.attributes, true}; }

// Each in a file, then each in a buffer. Tables of parameters are made from these, since statics of several files have
// no order.
std::vector<Kind> in_both_places(const std::vector<Kind>& kinds);
inline std::vector<Kind> all_kinds() { return in_both_places({plain, recursive, fair}); }
inline std::vector<Kind> unfair_kinds() { return in_both_places({plain, recursive}); }
inline std::vector<Kind> fair_kinds() { return in_both_places({fair, fair_recursive}); }

// Every combination of attributes that a lock can have.
inline constexpr unsigned all_attributes[] = {plain.attributes, recursive.attributes, fair.attributes,
                                              fair_recursive.attributes};

std::string name_of_attributes(unsigned attributes);  // "Plain", "FairRecursive", …
std::string name_of(const Kind& kind);                // "PlainFile", …
inline void PrintTo(const Kind& kind, std::ostream* out) { *out << name_of(kind); }
inline std::string param_name(const testing::TestParamInfo<Kind>& info) { return name_of(info.param); }

}  // namespace support
