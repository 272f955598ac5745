// The header at the start of an object's file, or of an object in the caller's memory: what it is, and where its TIDs
// mean anything. Written at creation, and by a reset of a stale object; pure functions, no system calls. Byte by byte
// in docs/man/shmutex.5.
#pragma once

#include <cstddef>
#include <cstdint>

#include "os/tid_scope.h"

namespace shmutex {

// What kinds there are; a number is never used again. A file may be of a kind that this build knows by name only.
namespace kind_number {
inline constexpr uint16_t mutex = 0;
inline constexpr uint16_t condition = 1;
inline constexpr uint16_t event = 2;
inline constexpr uint16_t semaphore = 3;
inline constexpr uint16_t rwlock = 4;
inline constexpr uint16_t barrier = 5;
inline constexpr uint16_t ring = 6;
}  // namespace kind_number

// Words that any process may write at any time, and that nobody relies on.
struct Advice {
  uint64_t label;          // of the deadlock search (reserved: 0)
  uint64_t label_token;    // which hold the label was written for
  uint64_t waiting_since;  // CLOCK_MONOTONIC ns when a waiter found hold `waiting_token` in its way
  uint64_t waiting_token;  // 0: none
};

struct Header {
  // At the same place, and with the same meaning, in every format version.
  uint64_t magic;
  uint8_t boot_id[16];
  uint32_t validity;  // not part of the checksum
  uint32_t version;
  uint16_t kind;
  uint16_t pages;            // shared pages; each has a private one behind it when mapped. 1 in memory
  uint32_t must_understand;  // feature bits: a reader that does not know one of them leaves the object alone
  uint32_t may_ignore;       // feature bits: a reader that does not know one of them goes on
  uint32_t attributes;       // chosen at creation; each must be known

  // At the same place in this format version.
  uint32_t unit_size;    // bytes of a page; of the whole object in memory
  uint16_t word_offset;  // of the first robust word in the first page
  int16_t futex_offset;
  uint64_t device;  // of the file itself, and its inode: a copy's header says where it was copied from
  uint64_t inode;
  uint64_t scope_start;  // TidScope::start
  uint64_t pid_namespace;
  uint64_t checksum;  // over all of the above but validity

  Advice advice;
};
static_assert(sizeof(Header) == 128 && offsetof(Header, checksum) == 88);

inline constexpr uint64_t file_magic = 0x0a78'6574'756d'6873;    // the bytes "shmutex\n"
inline constexpr uint64_t buffer_magic = 0x0a75'6274'756d'6873;  // the bytes "shmutbu\n"
inline constexpr uint32_t format_version = 1;

enum class Placement : uint8_t { file, buffer };

namespace validity {
inline constexpr uint32_t unset = 0;            // zeroed memory; or its initialiser is at work, or died
inline constexpr uint32_t valid = 0x1d0c'57a1;  // complete
inline constexpr uint32_t resetting =
    0x5e77'1246;  // a stale object is being reset, or its resetter died: reset it again
inline constexpr uint32_t destroyed = 0xdead'10cc;  // shmutex_destroy()
}  // namespace validity

// Of a kind, what this build understands.
struct Understood {
  uint16_t kind;
  uint16_t pages;
  uint32_t features;    // must_understand bits
  uint32_t attributes;  // attribute bits
};

// What distinguishes one object's header from another's.
struct Identity {
  uint16_t kind;
  uint16_t pages;
  uint32_t must_understand;
  uint32_t may_ignore;
  uint32_t attributes;
  uint32_t unit_size;
  uint16_t word_offset;
  int16_t futex_offset;
  uint64_t device;  // 0 in memory
  uint64_t inode;
};

// A complete header but for validity, which the caller stores last.
Header make_header(Placement placement, const TidScope& tid_scope, const Identity& identity);

// Computes the checksum.
void seal(Header& header);

TidScope tid_scope_of(const Header& header);

// What a header says about the object behind it, in the order in which it is asked.
enum class HeaderStatus : uint8_t {
  usable,
  foreign,       // no object of ours: size, magic number or checksum
  unknown_kind,  // this one and the next two: made by a later version; neither used nor reset, stale or not
  unknown_features,
  unknown_attributes,
  other_kind,  // than the one asked for
  copied,  // from another file, in this boot: its owners and waiters are that one's; not judged, but known to its reader
  stale,   // another boot or PID namespace: its TIDs mean nothing here
  half_reset,    // stale, and its resetter is gone
  other_format,  // version, layout, libc or byte order of another build
};

// Whether a file with that device and inode was copied from the one that the header was made for.
bool is_of_another_file(const Header& header, uint64_t device, uint64_t inode);

// Whether all that a header wants understood is; `understood` is that of its kind, null if the kind is not known.
HeaderStatus judge_demands(const Header& header, const Understood* understood);

// `size` is the size of the file or buffer that the header was read from, `ours` a header of the kind asked for.
HeaderStatus judge(const Header& header, Placement placement, uint64_t size, const Header& ours,
                   const Understood* understood);

}  // namespace shmutex
