#include "object/memory.h"

#include <errno.h>
#include <string.h>

#include "base/annotate.h"
#include "base/atomics.h"
#include "error/failure.h"
#include "object/refusal.h"
#include "object/retire.h"
#include "os/clock.h"
#include "os/futex.h"
#include "os/robust_list.h"
#include "os/robust_word.h"
#include "os/thread.h"
#include "process/process.h"
#include "process/process_lock.h"

namespace shmutex {
namespace {

constexpr int64_t init_timeout = 10 * second;  // with a live process that is initialising

int check_memory(const void* memory, size_t length, const Kind& kind) {
  if (memory == nullptr) return fail(EINVAL, Reason::null_argument);
  if (reinterpret_cast<uintptr_t>(memory) % memory_alignment != 0) {
    return fail(EINVAL, Reason::memory_misaligned, nullptr, reinterpret_cast<uintptr_t>(memory), memory_alignment);
  }
  if (length < kind.memory_size) return fail(EINVAL, Reason::memory_too_small, nullptr, length, kind.memory_size);
  return 0;
}

Header memory_header(const Kind& kind, uint32_t attributes) {
  return make_header(Placement::buffer, our_tid_scope(),
                     {.kind = kind.understood.kind,
                      .pages = 1,
                      .must_understand = 0,
                      .may_ignore = 0,
                      .attributes = attributes,
                      .unit_size = static_cast<uint32_t>(kind.memory_size),
                      .word_offset = static_cast<uint16_t>(sizeof(Header) + kind.word_offset),
                      .futex_offset = static_cast<int16_t>(-node_distance),
                      .device = 0,
                      .inode = 0});
}

// All but the initialiser's word, which the caller may hold, and validity, which is set last.
void fill(Object& object, const Kind& kind, uint32_t attributes) {
  Header& header = memory_header_of(object);
  store_release(header.validity, validity::unset);
  header = memory_header(kind, attributes);
  const uint32_t held = load_relaxed(kind.initialiser(object));
  Line line{};
  kind.make(line);
  memcpy(&kind.initialiser(reinterpret_cast<Object&>(line)), &held, sizeof held);
  memcpy(&object, &line, sizeof line);
  memset(bytes_of(object) + line_size, 0, kind.memory_size - sizeof(Header) - line_size);
  set_attributes(object, attributes | in_memory_bit);
  store_release(header.validity, validity::valid);
}

// An initialiser at work has taken its word, and nothing else can be told from the outside.
bool is_untouched(Object& object, const Kind& kind) {
  const auto* const begin = reinterpret_cast<const unsigned char*>(&memory_header_of(object));
  const auto* const word = reinterpret_cast<const unsigned char*>(&kind.initialiser(object));
  for (const unsigned char* byte = begin; byte != begin + kind.memory_size; ++byte) {
    if (*byte != 0 && (byte < word || byte >= word + sizeof(uint32_t))) return false;
  }
  return true;
}

// Memory in which a later version's initialiser is at work, or died, is none of ours to initialise.
int refuse_unknown(Object& object, const Kind& kind) {
  Header found{};
  memcpy(&found, &memory_header_of(object), sizeof found);
  if (found.magic != buffer_magic) return 0;
  return refuse(judge_demands(found, understood_of(found.kind, kind)), found, 0, kind, nullptr);
}

// Zeroed memory is initialised by the process that gets the initialiser's word. Should it die, the kernel marks the
// word owner_died, and another does it again. The word is left as every other holder leaves it, so it is no matter that
// others use the object already.
int initialise_once(Object& object, const Kind& kind, uint32_t attributes) {
  uint32_t& word = kind.initialiser(object);
  void* const entry = reinterpret_cast<char*>(&word) + node_distance;
  RobustHead& head = *this_thread().head;
  const int64_t deadline = now_ns() + init_timeout;
  while (load_acquire(memory_header_of(object).validity) == validity::unset) {
    if (const int error = refuse_unknown(object, kind); error != 0) return error;
    robust::set_pending(head, entry);
    uint32_t found = load_relaxed(word);
    if (word::is_free(found) && cas_acquire(word, found, this_thread().tid | word::waiters)) {
      const bool unset = load_acquire(memory_header_of(object).validity) == validity::unset;
      const bool begun_by_the_dead = (found & word::owner_died) != 0;
      const bool usable = !unset || begun_by_the_dead || is_untouched(object, kind);
      if (unset && usable) fill(object, kind, attributes);
      store_release(word, usable ? 0u : found);
      futex::wake_one(word);
      robust::clear_pending(head);
      return usable ? 0 : fail(EBADMSG, Reason::buffer_not_a_lock);
    }
    robust::clear_pending(head);
    if (word::is_free(found)) continue;
    // No such thread, and yet the kernel has not marked the word: this never was zeroed memory (or the notice got
    // lost).
    if (thread_is_dead(word::tid(found)) && load_relaxed(word) == found) {
      return fail(EBADMSG, Reason::buffer_not_a_lock);
    }
    if (now_ns() > deadline) return fail(EBUSY, Reason::buffer_init_stuck);
    sleep_until(now_ns() + millisecond / 4);
  }
  return 0;
}

bool is_retired(const Object& object, const Kind& kind) {
  return kind.is_retired(reinterpret_cast<const Line&>(object));
}

// The attributes of what is usable here.
int judge_memory(Object& object, const Kind& kind, uint32_t& attributes) {
  Header found{};
  memcpy(&found, &memory_header_of(object), sizeof found);
  attributes = found.attributes;
  const HeaderStatus status =
      judge(found, Placement::buffer, kind.memory_size, memory_header(kind, 0), understood_of(found.kind, kind));
  if (status == HeaderStatus::stale) return fail(ESTALE, Reason::buffer_stale);
  if (const int error = refuse(status, found, kind.memory_size, kind, nullptr); error != 0) return error;
  // Retired, and yet valid: its destroyer is not done, or was killed. The private line must say what it belongs to.
  if (status == HeaderStatus::usable && !is_retired(object, kind) && attributes_of(object) == attributes &&
      says_in_memory(object)) {
    return 0;
  }
  return fail(EBADMSG, Reason::buffer_not_a_lock);
}

// A call on memory of which this process has no handle, perhaps.
class NotedMemory {
 public:
  explicit NotedMemory(const Object& object) : object_(object) {
    const ProcessLock guard;
    error_ = registry::note_memory(&object_);
  }
  ~NotedMemory() {
    const ProcessLock guard;
    if (error_ == 0) registry::forget_memory(&object_);
  }
  NotedMemory(const NotedMemory&) = delete;
  NotedMemory& operator=(const NotedMemory&) = delete;
  int error() const { return error_; }

 private:
  const Object& object_;
  int error_;
};

}  // namespace

int init_memory(void* memory, size_t length, const Kind& kind, uint32_t attributes) {
  if (const int error = check_memory(memory, length, kind); error != 0) return error;
  if (const int error = ensure_process_ready(); error != 0) return error;
  Object& object = object_in(memory);
  store_relaxed(kind.initialiser(object), 0u);
  fill(object, kind, attributes);
  return 0;
}

int attach_memory(Object*& out, void* memory, size_t length, const MemoryRequest& request) {
  const Kind& kind = request.kind;
  if (const int error = check_memory(memory, length, kind); error != 0) return error;
  if (const int error = ensure_process_ready(); error != 0) return error;
  annotate::untrack(memory, kind.memory_size);
  Object& object = object_in(memory);
  if (request.initialise) {
    if (const int error = initialise_once(object, kind, request.attributes); error != 0) return error;
  }
  uint32_t found = 0;
  if (const int error = judge_memory(object, kind, found); error != 0) return error;
  if (!request.any_attributes && found != request.attributes) {
    return fail(EPROTOTYPE, Reason::attributes, nullptr, found, request.attributes);
  }
  const ProcessLock guard;
  if (const int error = registry::add_memory_reference(&object); error != 0) return fail(error, Reason::out_of_memory);
  out = &object;
  return 0;
}

int destroy_memory(void* memory, size_t length, const Kind& kind) {
  if (const int error = check_memory(memory, length, kind); error != 0) return error;
  if (const int error = ensure_process_ready(); error != 0) return error;
  Object& object = object_in(memory);
  uint32_t attributes = 0;
  if (const int error = judge_memory(object, kind, attributes); error != 0) return error;
  const NotedMemory noted(object);
  if (noted.error() != 0) return fail(noted.error(), Reason::out_of_memory);
  return retire(object, kind, Reason::held_destroy, nullptr, [&object] {
    store_release(memory_header_of(object).validity, validity::destroyed);
    return 0;
  });
}

}  // namespace shmutex
