#include "layout/header.h"

#include <string.h>

#include "layout/fnv1a.h"
#include "layout/lock.h"

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

bool same_bytes(const uint8_t (&a)[16], const uint8_t (&b)[16]) { return memcmp(a, b, sizeof a) == 0; }

}  // namespace

bool same_boot(const World& a, const World& b) { return same_bytes(a.boot_id, b.boot_id); }

bool same_world(const World& a, const World& b) { return same_boot(a, b) && a.pid_namespace == b.pid_namespace; }

Header make_header(Placement placement, const World& world, uint32_t unit_size, uint32_t word_offset,
                   int32_t futex_offset, uint32_t attributes) {
  Header header{};
  header.magic = magic_of(placement);
  memcpy(header.boot_id, world.boot_id, sizeof header.boot_id);
  header.version = format_version;
  header.unit_size = unit_size;
  header.word_offset = word_offset;
  header.futex_offset = futex_offset;
  header.attributes = attributes;
  header.pid_namespace = world.pid_namespace;
  header.checksum = checksum(header);
  return header;
}

Verdict judge(const Header& header, Placement placement, uint64_t size, const Header& ours) {
  if (header.magic == __builtin_bswap64(magic_of(placement))) return Verdict::other_format;
  if (header.magic != magic_of(placement)) return Verdict::foreign;
  if (placement == Placement::file && !plausible_file_size(size)) return Verdict::foreign;
  if (header.validity == validity::resetting) return Verdict::half_reset;
  if (header.validity != validity::valid) return Verdict::foreign;
  if (header.version == format_version) {
    if (header.checksum != checksum(header)) return Verdict::foreign;
    if (placement == Placement::file && header.unit_size != size) return Verdict::foreign;
  }
  // A stale lock can be made anew, whoever wrote it and however: so this goes before the questions of format.
  if (!same_bytes(header.boot_id, ours.boot_id)) return Verdict::stale;
  if (header.version != format_version) return Verdict::other_format;
  if (header.pid_namespace != ours.pid_namespace) return Verdict::stale;
  if (header.unit_size != ours.unit_size || header.word_offset != ours.word_offset ||
      header.futex_offset != ours.futex_offset) {
    return Verdict::other_format;
  }
  return Verdict::usable;
}

}  // namespace shmutex
