// The header at the start of a lock file or of a lock in the caller's memory: what it is, and in which world its TIDs
// mean anything. Written once, at creation, and by a reset of a stale lock; pure functions, no system calls.
#pragma once

#include <cstddef>
#include <cstdint>

#include "os/tid_scope.h"

namespace shmutex {

struct Header {
  uint64_t magic;       // at the same place in every format version
  uint8_t boot_id[16];  // likewise
  uint32_t validity;    // likewise; not part of the checksum
  uint32_t version;     // likewise
  uint32_t unit_size;   // bytes of the file, which is one page; SHMUTEX_SIZE for a buffer
  uint32_t word_offset;
  int32_t futex_offset;
  uint32_t attributes;
  uint64_t pid_namespace;
  uint64_t checksum;  // over all of the above but validity
};
static_assert(sizeof(Header) == 64 && offsetof(Header, validity) == 24 && offsetof(Header, version) == 28);

inline constexpr uint64_t file_magic = 0x0a78'6574'756d'6873;    // the bytes "shmutex\n"
inline constexpr uint64_t buffer_magic = 0x0a75'6274'756d'6873;  // the bytes "shmutbu\n"
inline constexpr uint32_t format_version = 1;

enum class Placement : uint8_t { file, buffer };

namespace validity {
inline constexpr uint32_t unset = 0;            // zeroed memory; or its initialiser is at work, or died
inline constexpr uint32_t valid = 0x1d0c'57a1;  // complete
inline constexpr uint32_t resetting =
    0x5e77'1246;  // a stale lock is being reset; if nobody is at it, he died: reset again
inline constexpr uint32_t destroyed = 0xdead'10cc;  // shmutex_destroy()
}  // namespace validity

// A complete header but for validity, which the caller stores last.
Header make_header(Placement placement, const TidScope& tid_scope, uint32_t unit_size, uint32_t word_offset,
                   int32_t futex_offset, uint32_t attributes);

// What a header says about the lock behind it, in the order in which it is asked.
enum class HeaderStatus : uint8_t {
  usable,
  foreign,       // no lock of ours: size, magic number or checksum
  stale,         // another boot or PID namespace: its TIDs mean nothing here
  half_reset,    // stale, and who was resetting it is gone
  other_format,  // version, layout, libc or byte order of another build
};

// `size` is the size of the file or buffer that the header was read from.
HeaderStatus judge(const Header& header, Placement placement, uint64_t size, const Header& ours);

}  // namespace shmutex
