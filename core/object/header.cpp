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

// A page of some supported machine: what a lock file of any format version is large.
bool plausible_file_size(uint64_t size) { return size >= 4096 && size <= 65536 && (size & (size - 1)) == 0; }

}  // namespace

Header make_header(Placement placement, const TidScope& tid_scope, uint32_t unit_size, uint32_t word_offset,
                   int32_t futex_offset, uint32_t attributes) {
  Header header{};
  header.magic = magic_of(placement);
  memcpy(header.boot_id, tid_scope.boot_id, sizeof header.boot_id);
  header.version = format_version;
  header.unit_size = unit_size;
  header.word_offset = word_offset;
  header.futex_offset = futex_offset;
  header.attributes = attributes;
  header.pid_namespace = tid_scope.pid_namespace;
  header.checksum = checksum(header);
  return header;
}

HeaderStatus judge(const Header& header, Placement placement, uint64_t size, const Header& ours) {
  if (header.magic == __builtin_bswap64(magic_of(placement))) return HeaderStatus::other_format;
  if (header.magic != magic_of(placement)) return HeaderStatus::foreign;
  if (placement == Placement::file && !plausible_file_size(size)) return HeaderStatus::foreign;
  if (header.validity == validity::resetting) return HeaderStatus::half_reset;
  if (header.validity != validity::valid) return HeaderStatus::foreign;
  if (header.version == format_version) {
    if (header.checksum != checksum(header)) return HeaderStatus::foreign;
    if (placement == Placement::file && header.unit_size != size) return HeaderStatus::foreign;
  }
  // A stale lock can be made anew, whoever wrote it and however: so this goes before the questions of format.
  if (memcmp(header.boot_id, ours.boot_id, sizeof header.boot_id) != 0) return HeaderStatus::stale;
  if (header.version != format_version) return HeaderStatus::other_format;
  if (header.pid_namespace != ours.pid_namespace) return HeaderStatus::stale;
  if (header.unit_size != ours.unit_size || header.word_offset != ours.word_offset ||
      header.futex_offset != ours.futex_offset) {
    return HeaderStatus::other_format;
  }
  return HeaderStatus::usable;
}

}  // namespace shmutex
