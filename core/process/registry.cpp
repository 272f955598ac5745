#include "process/registry.h"

#include <errno.h>
#include <stdlib.h>

#include "base/atomics.h"
#include "os/thread.h"
#include "process/process_lock.h"

namespace shmutex::registry {
namespace {

// ---- files: a chained hash table over their entries. A single store adds or removes one, so a fork at any instant
// finds it whole.

constexpr size_t file_buckets = 4096;
FileEntry* files[file_buckets];
uint32_t file_count = 0;

FileEntry*& bucket_of(dev_t device, ino_t inode) {
  const uint64_t hash = (static_cast<uint64_t>(inode) ^ static_cast<uint64_t>(device) << 32) * 0x9e37'79b9'7f4a'7c15;
  return files[hash >> 52];
}
static_assert(file_buckets == 1u << 12);

// ---- memory: an open-addressing table by address.

struct MemoryEntry {
  const void* object;  // null: empty. Entries without references stay as tombstones until the table is rebuilt
  uint64_t waiting;
  uint32_t references;
};

struct MemoryTable {
  size_t capacity;  // a power of two
  size_t used;      // tombstones included
  MemoryEntry* entries;
};

MemoryTable* in_memory = nullptr;  // replaced as a whole when it grows
uint32_t memory_reference_count = 0;

// Of objects at the end of a page. Never freed, so that they can be read without a lock.
struct Note {
  const void* object;  // null: to be used again
  uint32_t uses;
  Note* next;
};

constexpr size_t note_buckets = 64;
Note* notes[note_buckets];

Note*& notes_near(const void* object) {
  return notes[reinterpret_cast<uintptr_t>(object) / smallest_page % note_buckets];
}

Note* find_note(const void* object) {
  for (Note* note = load_acquire(notes_near(object)); note != nullptr; note = note->next) {
    if (load_relaxed(note->object) == object) return note;
  }
  return nullptr;
}

Note* find_unused_note(const void* object) {
  for (Note* note = notes_near(object); note != nullptr; note = note->next) {
    if (load_relaxed(note->object) == nullptr) return note;
  }
  return nullptr;
}

size_t slot_of(const MemoryTable& table, const void* object) {
  const uint64_t hash = (reinterpret_cast<uintptr_t>(object) >> 6) * 0x9e37'79b9'7f4a'7c15;
  return static_cast<size_t>(hash >> 20) & (table.capacity - 1);
}

MemoryEntry* find_in(const MemoryTable& table, const void* object, bool or_empty) {
  for (size_t slot = slot_of(table, object);; slot = (slot + 1) & (table.capacity - 1)) {
    MemoryEntry& entry = table.entries[slot];
    if (entry.object == object) return &entry;
    if (entry.object == nullptr) return or_empty ? &entry : nullptr;
  }
}

MemoryEntry* find_memory(const void* object) {
  return in_memory == nullptr ? nullptr : find_in(*in_memory, object, false);
}

bool grow() {
  size_t live = 0;
  for (size_t i = 0; in_memory != nullptr && i < in_memory->capacity; ++i) {
    if (in_memory->entries[i].references != 0) ++live;
  }
  size_t capacity = 64;
  while (capacity < 4 * (live + 1)) capacity *= 2;
  auto* const table = static_cast<MemoryTable*>(malloc(sizeof(MemoryTable)));
  auto* const entries = static_cast<MemoryEntry*>(calloc(capacity, sizeof(MemoryEntry)));
  if (table == nullptr || entries == nullptr) {
    free(table);
    free(entries);
    return false;
  }
  *table = {capacity, live, entries};
  for (size_t i = 0; in_memory != nullptr && i < in_memory->capacity; ++i) {
    const MemoryEntry& entry = in_memory->entries[i];
    if (entry.references != 0) *find_in(*table, entry.object, true) = entry;
  }
  MemoryTable* const old = in_memory;
  __atomic_store_n(&in_memory, table, __ATOMIC_RELEASE);
  if (old != nullptr) free(old->entries);
  free(old);
  return true;
}

// ---- the counts of threads that wait and of looks: the process's fork generation in the upper half, so that a forked
// child starts from none.

uint64_t counted(uint64_t waiting, int by) {
  const uint64_t fork_generation = uint64_t{current_fork_generation()} << 32;
  const uint64_t count = (waiting & ~uint64_t{UINT32_MAX}) == fork_generation ? waiting & UINT32_MAX : 0;
  if (by < 0 && count == 0) return fork_generation;
  return fork_generation | (count + static_cast<uint64_t>(static_cast<int64_t>(by)));
}

void count(FileEntry& entry, int by) {
  uint64_t found = load_relaxed(entry.waiting);
  while (!cas_relaxed(entry.waiting, found, counted(found, by))) {
  }
}

void count_memory(const void* object, int by) {
  const ProcessLock guard;
  if (MemoryEntry* const entry = find_memory(object); entry != nullptr) entry->waiting = counted(entry->waiting, by);
}

bool anyone(uint64_t waiting) { return waiting >> 32 == current_fork_generation() && (waiting & UINT32_MAX) != 0; }

}  // namespace

FileEntry* find_file(dev_t device, ino_t inode) {
  for (FileEntry* entry = bucket_of(device, inode); entry != nullptr; entry = entry->next) {
    if (entry->inode == inode && entry->device == device) return entry;
  }
  return nullptr;
}

void add_file(FileEntry& entry) {
  FileEntry*& bucket = bucket_of(entry.device, entry.inode);
  entry.next = bucket;
  compiler_barrier();
  store_relaxed(bucket, &entry);
  ++file_count;
}

void remove_file(FileEntry& entry) {
  FileEntry** link = &bucket_of(entry.device, entry.inode);
  while (*link != &entry) link = &(*link)->next;
  store_relaxed(*link, entry.next);
  --file_count;
}

void begin_look(FileEntry& entry) {
  if (!anyone_looks(entry)) store_relaxed(entry.remover, 0u);  // of a thread that did not come along through a fork
  store_relaxed(entry.looks, counted(entry.looks, +1));
}

void end_look(FileEntry& entry) { store_relaxed(entry.looks, counted(entry.looks, -1)); }

bool anyone_looks(const FileEntry& entry) { return anyone(entry.looks); }

int add_memory_reference(const void* object) {
  const bool full = in_memory == nullptr || 2 * (in_memory->used + 1) > in_memory->capacity;
  if (full && find_memory(object) == nullptr && !grow()) return ENOMEM;
  if (memory_references(object) == 0) {
    if (const int error = note_memory(object); error != 0) return error;
  }
  MemoryEntry& entry = *find_in(*in_memory, object, true);
  if (entry.object == nullptr) {
    entry.object = object;
    ++in_memory->used;
  }
  ++entry.references;
  ++memory_reference_count;
  return 0;
}

uint32_t memory_references(const void* object) {
  const MemoryEntry* const entry = find_memory(object);
  return entry == nullptr ? 0 : entry->references;
}

uint32_t drop_memory_reference(const void* object) {
  MemoryEntry* const entry = find_memory(object);
  if (entry == nullptr || entry->references == 0) return 0;
  --memory_reference_count;
  if (--entry->references == 0) forget_memory(object);
  return entry->references;
}

bool is_noted_memory(const void* object) { return find_note(object) != nullptr; }

int note_memory(const void* object) {
  if (!may_be_in_file(object)) return 0;
  Note* note = find_note(object);
  if (note == nullptr) note = find_unused_note(object);
  if (note == nullptr) {
    note = static_cast<Note*>(calloc(1, sizeof(Note)));
    if (note == nullptr) return ENOMEM;
    Note*& first = notes_near(object);
    note->next = first;
    store_release(first, note);
  }
  if (note->object == nullptr) note->uses = 0;
  ++note->uses;
  store_relaxed(note->object, object);
  return 0;
}

void forget_memory(const void* object) {
  if (!may_be_in_file(object)) return;
  Note* const note = find_note(object);
  if (note != nullptr && --note->uses == 0) forget_unmapped_memory(object);
}

void forget_unmapped_memory(const void* object) {
  if (Note* const note = find_note(object); note != nullptr)
    store_relaxed(note->object, static_cast<const void*>(nullptr));
}

bool any_open() { return file_count != 0 || memory_reference_count != 0; }

bool anyone_waiting(const FileEntry& entry) { return anyone(load_relaxed(entry.waiting)); }

bool anyone_waiting_memory(const void* object) {
  const MemoryEntry* const entry = find_memory(object);
  return entry != nullptr && anyone(entry->waiting);
}

void begin_wait(FileEntry& entry) { count(entry, +1); }
void end_wait(FileEntry& entry) { count(entry, -1); }
void begin_wait_in_memory(const void* object) { count_memory(object, +1); }
void end_wait_in_memory(const void* object) { count_memory(object, -1); }

}  // namespace shmutex::registry
