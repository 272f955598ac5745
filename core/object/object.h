// What this process knows of a shared object, whatever its kind.
//
//   file     | Header … zero … | Line |              | private line | FileControl …
//                                     ^ page boundary: behind it, private to this process
//   memory   | Header | Line | private line |          all of it in the caller's memory
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "base/atomics.h"
#include "object/header.h"
#include "process/registry.h"

namespace shmutex {

struct Kind;

// What a handle points at: the Line of an object's first page. Each kind derives its own layout from it.
struct Object {};

inline constexpr size_t line_size = 64;

// The end of a shared page, which a kind lays out.
struct alignas(line_size) Line {
  unsigned char bytes[line_size];
};

// In the private line of every kind lies a word whose lower bits are the object's attributes. The one that is not the
// kind's own says that the object lies in the caller's memory. The upper bits are the kind's to use.
inline constexpr size_t attributes_offset = line_size + 36;
inline constexpr uint32_t in_memory_bit = 0x800;
inline constexpr uint32_t attribute_bits = 0x7ff;  // all that there may ever be: the depth lies above

inline char* bytes_of(Object& object) { return reinterpret_cast<char*>(&object); }
inline const char* bytes_of(const Object& object) { return reinterpret_cast<const char*>(&object); }

inline uint32_t attribute_word_of(const Object& object) {
  return load_relaxed(*reinterpret_cast<const uint32_t*>(bytes_of(object) + attributes_offset));
}
inline void set_attributes(Object& object, uint32_t attributes) {
  store_relaxed(*reinterpret_cast<uint32_t*>(bytes_of(object) + attributes_offset), attributes);
}

inline uint32_t attributes_of(const Object& object) { return attribute_word_of(object) & attribute_bits; }

// Whether it lies in the caller's memory, or else in a file: what this process knows of its open objects, and what the
// object itself says. Memory that is shared may say anything.
inline bool is_in_memory(const Object& object) { return registry::is_in_memory(&object); }
inline bool says_in_memory(const Object& object) { return (attribute_word_of(object) & in_memory_bit) != 0; }
static_assert(registry::from_page_end == line_size);

// Behind the private line of a file's first page.
struct FileControl : registry::FileEntry {
  const Kind* kind;
  void* base;  // of the mapping
  uint64_t pid_namespace;
  int kept_descriptor;  // -1, or what keeps the file's live-user lock where the mapping does not
  char path[3900];      // absolute, for messages, and to see whether the name still leads here; "" if too long
};

inline constexpr size_t control_offset = 2 * line_size;
inline FileControl& control_of(Object& object) {
  return *reinterpret_cast<FileControl*>(bytes_of(object) + control_offset);
}
inline const FileControl& control_of(const Object& object) { return control_of(const_cast<Object&>(object)); }
inline Object& object_of(FileControl& control) {
  return *reinterpret_cast<Object*>(reinterpret_cast<char*>(&control) - control_offset);
}

// In memory the header lies directly before the object. Known here and nowhere else.
inline Object& object_in(void* memory) {
  return *reinterpret_cast<Object*>(static_cast<char*>(memory) + sizeof(Header));
}
inline Header& memory_header_of(Object& object) {
  return *reinterpret_cast<Header*>(bytes_of(object) - sizeof(Header));
}
Header& header_of(const Object& object);  // shared: its advice may be written

const char* path_of(const Object& object);  // null for one in memory

// Whether the object was opened in another PID namespace than this process lives in: its TIDs are of other threads.
bool is_of_another_tid_scope(const Object& object);

// Called first by everything but the fast paths: ensure_process_ready(), and the object must have been opened in this
// PID namespace: else EXDEV.
int prepare(const Object& object);

// Handles of the object in this process. They need the ProcessLock. dropping returns how many are left.
uint32_t references(const Object& object);
uint32_t drop_reference(Object& object);

// Whether a thread of this process is in a waiting call on the object. Needs the ProcessLock.
bool anyone_waiting(const Object& object);

// Counts the calling thread as waiting while it lives.
class WaitScope {
 public:
  explicit WaitScope(Object& object);
  ~WaitScope();
  WaitScope(const WaitScope&) = delete;
  WaitScope& operator=(const WaitScope&) = delete;

 private:
  Object& object_;
};

}  // namespace shmutex
