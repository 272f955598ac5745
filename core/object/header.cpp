#include "object/header.h"

#include <string.h>

#include "base/fnv1a.h"

namespace shmutex {
namespace {

constexpr uint64_t magic_of(Placement placement) { return placement == Placement::file ? file_magic : buffer_magic; }

// Against accidents. Against lies there is no checksum; permissions are the boundary.
uint64_t checksum(const Header& header) {
  Header copy = header;
  copy.validity = 0;
  return fnv1a(&copy, offsetof(Header, checksum));
}

// A page of some supported machine.
bool is_page_size(uint64_t size) { return size >= 4096 && size <= 65536 && (size & (size - 1)) == 0; }

bool plausible_file_size(const Header& header, uint64_t size) {
  if (header.pages == 0 || size % header.pages != 0 || !is_page_size(size / header.pages)) return false;
  // In the middle of a reset the size and the header may be of two machines.
  if (header.version != format_version || header.validity == validity::resetting) return true;
  return header.unit_size == size / header.pages;
}

}  // namespace

Header make_header(Placement placement, const TidScope& tid_scope, const Identity& identity) {
  Header header{};
  header.magic = magic_of(placement);
  memcpy(header.boot_id, tid_scope.boot_id, sizeof header.boot_id);
  header.version = format_version;
  header.kind = identity.kind;
  header.pages = identity.pages;
  header.must_understand = identity.must_understand;
  header.may_ignore = identity.may_ignore;
  header.attributes = identity.attributes;
  header.unit_size = identity.unit_size;
  header.word_offset = identity.word_offset;
  header.futex_offset = identity.futex_offset;
  header.device = identity.device;
  header.inode = identity.inode;
  header.scope_start = tid_scope.start;
  header.pid_namespace = tid_scope.pid_namespace;
  seal(header);
  return header;
}

void seal(Header& header) { header.checksum = checksum(header); }

TidScope tid_scope_of(const Header& header) {
  TidScope tid_scope{};
  memcpy(tid_scope.boot_id, header.boot_id, sizeof tid_scope.boot_id);
  tid_scope.pid_namespace = header.pid_namespace;
  tid_scope.start = header.scope_start;
  return tid_scope;
}

bool is_of_another_file(const Header& header, uint64_t device, uint64_t inode) {
  return header.inode != 0 && (header.device != device || header.inode != inode);
}

HeaderStatus judge_demands(const Header& header, const Understood* understood) {
  if (understood == nullptr) return HeaderStatus::unknown_kind;
  if ((header.must_understand & ~understood->features) != 0) return HeaderStatus::unknown_features;
  if ((header.attributes & ~understood->attributes) != 0) return HeaderStatus::unknown_attributes;
  return HeaderStatus::usable;
}

HeaderStatus judge(const Header& header, Placement placement, uint64_t size, const Header& ours,
                   const Understood* understood) {
  if (header.magic == __builtin_bswap64(magic_of(placement))) return HeaderStatus::other_format;
  if (header.magic != magic_of(placement)) return HeaderStatus::foreign;
  if (header.validity != validity::valid && header.validity != validity::resetting) return HeaderStatus::foreign;
  const bool complete = header.validity == validity::valid;
  if (complete && header.version == format_version && header.checksum != checksum(header)) return HeaderStatus::foreign;
  // Before the size, which such an object may have for reasons of its own, and before any thought of resetting it.
  if (const HeaderStatus status = judge_demands(header, understood); status != HeaderStatus::usable) return status;
  if (header.pages != (placement == Placement::file ? understood->pages : 1)) return HeaderStatus::foreign;
  if (placement == Placement::file && !plausible_file_size(header, size)) return HeaderStatus::foreign;
  if (header.kind != ours.kind) return HeaderStatus::other_kind;
  // Pages of another size lie where the lines must go to.
  if (placement == Placement::file && header.pages > 1 && size / header.pages != ours.unit_size) {
    return HeaderStatus::other_format;
  }
  if (!complete) return HeaderStatus::half_reset;
  // A stale object can be reset, whichever build wrote it: so this goes before the questions of format.
  const TidScope theirs = tid_scope_of(header);
  const TidScope here = tid_scope_of(ours);
  if (!same_boot(theirs, here)) return HeaderStatus::stale;
  if (header.version != format_version) return HeaderStatus::other_format;
  if (!same_tid_scope(theirs, here)) return HeaderStatus::stale;
  if (header.unit_size != ours.unit_size || header.word_offset != ours.word_offset) return HeaderStatus::other_format;
  // In a file each process has nodes of its own, of its own C library's shape.
  if (placement == Placement::buffer && header.futex_offset != ours.futex_offset) return HeaderStatus::other_format;
  return HeaderStatus::usable;
}

}  // namespace shmutex
