// Where things lie in a file of format 1, and which numbers stand there: a promise to every process that maps one,
// written down a second time, in numbers. Compiled for every processor, and nothing to run.
#include <cstddef>

#include "mutex/layout.h"
#include "object/header.h"

namespace shmutex {

static_assert(format_version == 1u);
static_assert(offsetof(Header, magic) == 0u);
static_assert(offsetof(Header, boot_id) == 8u);
static_assert(offsetof(Header, validity) == 24u);
static_assert(offsetof(Header, version) == 28u);
static_assert(offsetof(Header, kind) == 32u);
static_assert(offsetof(Header, pages) == 34u);
static_assert(offsetof(Header, must_understand) == 36u);
static_assert(offsetof(Header, may_ignore) == 40u);
static_assert(offsetof(Header, attributes) == 44u);
static_assert(offsetof(Header, unit_size) == 48u);
static_assert(offsetof(Header, word_offset) == 52u);
static_assert(offsetof(Header, futex_offset) == 54u);
static_assert(offsetof(Header, device) == 56u);
static_assert(offsetof(Header, inode) == 64u);
static_assert(offsetof(Header, scope_start) == 72u);
static_assert(offsetof(Header, pid_namespace) == 80u);
static_assert(offsetof(Header, checksum) == 88u);
static_assert(offsetof(Header, advice.label) == 96u);
static_assert(offsetof(Header, advice.label_token) == 104u);
static_assert(offsetof(Header, advice.waiting_since) == 112u);
static_assert(offsetof(Header, advice.waiting_token) == 120u);
static_assert(sizeof(Header) == 128u);

static_assert(offsetof(SharedLine, contended) == 0u);
static_assert(offsetof(SharedLine, recoveries) == 8u);
static_assert(offsetof(SharedLine, last_dead_tid) == 12u);
static_assert(offsetof(SharedLine, last_owner) == 16u);
static_assert(offsetof(SharedLine, token) == 24u);
static_assert(offsetof(SharedLine, yield_until) == 32u);
static_assert(offsetof(SharedLine, state) == 40u);
static_assert(offsetof(SharedLine, baton) == 44u);
static_assert(offsetof(SharedLine, depth) == 48u);
static_assert(offsetof(SharedLine, probed) == 52u);
static_assert(offsetof(SharedLine, marks) == 56u);
static_assert(offsetof(SharedLine, word) == 60u);
static_assert(sizeof(SharedLine) == 64u);

static_assert(kind_number::mutex == 0u);
static_assert(kind_number::condition == 1u);
static_assert(kind_number::event == 2u);
static_assert(kind_number::semaphore == 3u);
static_assert(kind_number::rwlock == 4u);
static_assert(kind_number::barrier == 5u);
static_assert(kind_number::ring == 6u);
static_assert(file_magic == 0x0a786574756d6873u);
static_assert(buffer_magic == 0x0a756274756d6873u);

static_assert(state::poisoned == 1u);
static_assert(state::retired == 2u);
static_assert(state::inconsistent == 4u);
static_assert(attribute::recursive == 1u);
static_assert(attribute::fair == 2u);
static_assert(validity::valid == 0x1d0c57a1u);
static_assert(validity::resetting == 0x5e771246u);
static_assert(validity::destroyed == 0xdead10ccu);

}  // namespace shmutex
