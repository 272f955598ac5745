#include "object/memory.h"

#include <errno.h>
#include <string.h>

#include "base/atomics.h"
#include "error/failure.h"
#include "mutex/mutex.h"
#include "os/clock.h"
#include "os/futex.h"
#include "process/process.h"
#include "process/registry.h"
#include "sync/robust_word.h"

namespace shmutex {
namespace {

constexpr int64_t takeover_timeout = 10 * second;

struct Buffer {
  Header header;
  Lock lock;
};
static_assert(sizeof(Buffer) == buffer_size && alignof(Buffer) == buffer_alignment);

int check_memory(const void* memory, size_t length) {
  if (memory == nullptr) return fail(EINVAL, Reason::null_argument);
  if (reinterpret_cast<uintptr_t>(memory) % buffer_alignment != 0) {
    return fail(EINVAL, Reason::memory_misaligned, nullptr, reinterpret_cast<uintptr_t>(memory), buffer_alignment);
  }
  if (length < buffer_size) return fail(EINVAL, Reason::memory_too_small, nullptr, length, buffer_size);
  return 0;
}

Header header(uint32_t attributes) {
  return make_header(Placement::buffer, our_tid_scope(), static_cast<uint32_t>(buffer_size),
                     static_cast<uint32_t>(offsetof(Buffer, lock.shared.word)), static_cast<int32_t>(-node_distance),
                     attributes);
}

// All but the baton, which the caller may hold, and validity, which is set last.
void fill(Buffer& buffer, uint32_t attributes) {
  store_release(buffer.header.validity, validity::unset);
  buffer.header = header(attributes);
  SharedLine line{};
  line.token = static_cast<uint64_t>(clock_ns(CLOCK_REALTIME));
  line.baton = load_relaxed(buffer.lock.shared.baton);
  buffer.lock.shared = line;
  buffer.lock.priv = PrivateLine{};
  buffer.lock.priv.attributes = attributes | attribute::buffer;
  store_release(buffer.header.validity, validity::valid);
}

// An initialiser at work has taken the baton, and nothing else can be told from the outside.
bool is_untouched(const Buffer& buffer) {
  Buffer copy = buffer;
  copy.lock.shared.baton = 0;
  constexpr Buffer zero{};
  return memcmp(&copy, &zero, sizeof copy) == 0;
}

// Zeroed memory is initialised by whoever gets the baton. Should he die, the kernel marks the baton owner_died, and another
// does it again. He leaves the baton as every head waiter does, so it is no matter that others use the lock already.
int initialise_once(Buffer& buffer, uint32_t attributes) {
  Lock& lock = buffer.lock;
  RobustHead& head = *this_thread().head;
  const int64_t deadline = now_ns() + takeover_timeout;
  while (load_acquire(buffer.header.validity) == validity::unset) {
    robust::set_pending(head, &lock.priv.baton_node.next);
    uint32_t found = load_relaxed(lock.shared.baton);
    if (word::is_free(found) && cas_acquire(lock.shared.baton, found, this_thread().tid | word::waiters)) {
      const bool unset = load_acquire(buffer.header.validity) == validity::unset;
      const bool begun_by_the_dead = (found & word::owner_died) != 0;
      const bool usable = !unset || begun_by_the_dead || is_untouched(buffer);
      if (unset && usable) fill(buffer, attributes);
      store_release(lock.shared.baton, usable ? 0u : found);
      futex::wake_one(lock.shared.baton);
      robust::clear_pending(head);
      return usable ? 0 : fail(EBADMSG, Reason::buffer_not_a_lock);
    }
    robust::clear_pending(head);
    if (word::is_free(found)) continue;
    // No such thread, and yet the kernel has not marked the baton: this never was zeroed memory (or the notice got lost).
    if (thread_is_dead(word::tid(found)) && load_relaxed(lock.shared.baton) == found) {
      return fail(EBADMSG, Reason::buffer_not_a_lock);
    }
    if (now_ns() > deadline) return fail(EBUSY, Reason::buffer_init_stuck);
    sleep_until(now_ns() + millisecond / 4);
  }
  return 0;
}

int judge_buffer(Buffer& buffer, uint32_t& attributes) {
  Header found{};
  memcpy(&found, &buffer.header, sizeof found);
  attributes = found.attributes & attribute::all;
  switch (judge(found, Placement::buffer, buffer_size, header(0))) {
    case HeaderStatus::usable:
      // Retired, and yet valid: whoever destroys it is not done, or was killed. The private line must say what it belongs to.
      if ((load_relaxed(buffer.lock.shared.state) & state::retired) == 0 &&
          buffer.lock.priv.attributes == (found.attributes | attribute::buffer)) {
        return 0;
      }
      break;
    case HeaderStatus::stale: return fail(ESTALE, Reason::buffer_stale);
    case HeaderStatus::other_format:
      return fail(EPROTONOSUPPORT, Reason::other_format, nullptr, found.version, format_version);
    case HeaderStatus::half_reset:
    case HeaderStatus::foreign: break;
  }
  return fail(EBADMSG, Reason::buffer_not_a_lock);
}

}  // namespace

int init_buffer(void* memory, size_t length, uint32_t attributes) {
  if (const int error = check_memory(memory, length); error != 0) return error;
  if (const int error = ensure_process_ready(); error != 0) return error;
  auto& buffer = *static_cast<Buffer*>(memory);
  store_relaxed(buffer.lock.shared.baton, 0u);
  fill(buffer, attributes);
  return 0;
}

int attach_buffer(Lock*& out, void* memory, size_t length, uint32_t attributes, bool any_attributes, bool init_once) {
  if (const int error = check_memory(memory, length); error != 0) return error;
  if (const int error = ensure_process_ready(); error != 0) return error;
  auto& buffer = *static_cast<Buffer*>(memory);
  if (init_once) {
    if (const int error = initialise_once(buffer, attributes); error != 0) return error;
  }
  uint32_t found = 0;
  if (const int error = judge_buffer(buffer, found); error != 0) return error;
  if (!any_attributes && found != attributes) return fail(EPROTOTYPE, Reason::attributes, nullptr, found, attributes);
  const ProcessLock guard;
  if (const int error = registry::add_buffer_reference(buffer.lock); error != 0) {
    return fail(error, Reason::out_of_memory);
  }
  out = &buffer.lock;
  return 0;
}

int destroy_buffer(void* memory, size_t length) {
  if (const int error = check_memory(memory, length); error != 0) return error;
  if (const int error = ensure_process_ready(); error != 0) return error;
  auto& buffer = *static_cast<Buffer*>(memory);
  uint32_t attributes = 0;
  if (const int error = judge_buffer(buffer, attributes); error != 0) return error;
  Lock& lock = buffer.lock;
  const uint32_t owner = word::tid(load_relaxed(lock.shared.word));
  if (is_owned(lock)) return fail(EBUSY, Reason::held_destroy, nullptr, owner);
  const int taken = acquire(lock, 0, WaitMode::try_once);
  if (taken == EBUSY || (taken == ENOTRECOVERABLE && owner != 0))
    return fail(EBUSY, Reason::held_destroy, nullptr, owner);
  if (taken != 0 && taken != EOWNERDEAD && taken != ENOTRECOVERABLE && taken != EIDRM) return taken;
  __atomic_or_fetch(&lock.shared.state, state::retired, __ATOMIC_RELAXED);
  store_release(buffer.header.validity, validity::destroyed);
  return taken == 0 || taken == EOWNERDEAD ? release(lock) : 0;
}

}  // namespace shmutex
