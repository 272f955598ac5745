// Where things lie in a file of format 1, and which numbers stand there: a promise to every process that maps one, written
// down a second time, in numbers. Compiled for every processor, and nothing to run.
#include <cstddef>

#include "mutex/layout.h"
#include "object/header.h"

namespace shmutex {

static_assert(format_version == 1u);
static_assert(offsetof(Header, magic) == 0u);
static_assert(offsetof(Header, boot_id) == 8u);
static_assert(offsetof(Header, validity) == 24u);
static_assert(offsetof(Header, version) == 28u);
static_assert(offsetof(Header, unit_size) == 32u);
static_assert(offsetof(Header, word_offset) == 36u);
static_assert(offsetof(Header, futex_offset) == 40u);
static_assert(offsetof(Header, attributes) == 44u);
static_assert(offsetof(Header, pid_namespace) == 48u);
static_assert(offsetof(Header, checksum) == 56u);

static_assert(offsetof(SharedLine, contended) == 0u);
static_assert(offsetof(SharedLine, recoveries) == 8u);
static_assert(offsetof(SharedLine, last_dead_tid) == 12u);
static_assert(offsetof(SharedLine, last_owner) == 16u);
static_assert(offsetof(SharedLine, token) == 32u);
static_assert(offsetof(SharedLine, baton) == 40u);
static_assert(offsetof(SharedLine, depth) == 44u);
static_assert(offsetof(SharedLine, yield_until) == 48u);
static_assert(offsetof(SharedLine, word) == 56u);
static_assert(offsetof(SharedLine, state) == 60u);

static_assert(state::poisoned == 1u);
static_assert(state::retired == 2u);
static_assert(state::inconsistent == 4u);
static_assert(attribute::recursive == 1u);
static_assert(attribute::fair == 2u);
static_assert(validity::valid == 0x1d0c57a1u);
static_assert(validity::resetting == 0x5e771246u);
static_assert(validity::destroyed == 0xdead10ccu);

}  // namespace shmutex
