#include "process/registry.h"

#include <errno.h>
#include <stdlib.h>

#include "base/atomics.h"
#include "object/header.h"
#include "process/process.h"

namespace shmutex::registry {
namespace {

// ---- files: a chained hash table over their controls. A single store adds or removes one, so a fork at any instant finds
// it whole.

constexpr size_t file_buckets = 4096;
FileControl* files[file_buckets];
uint32_t file_count = 0;

FileControl*& bucket_of(dev_t device, ino_t inode) {
  const uint64_t hash = (static_cast<uint64_t>(inode) ^ static_cast<uint64_t>(device) << 32) * 0x9e37'79b9'7f4a'7c15;
  return files[hash >> 52];
}
static_assert(file_buckets == 1u << 12);

// ---- buffers: an open-addressing table by address, since nothing of this process can lie in the shared memory.

struct BufferEntry {
  const Lock* lock;  // null: empty. Entries without references stay as tombstones until the table is rebuilt
  uint64_t inside;
  uint32_t references;
};

struct BufferTable {
  size_t capacity;  // a power of two
  size_t used;      // tombstones included
  BufferEntry* entries;
};

BufferTable* buffers = nullptr;  // replaced as a whole when it grows
uint32_t buffer_references = 0;

size_t slot_of(const BufferTable& table, const Lock& lock) {
  const uint64_t hash = (reinterpret_cast<uintptr_t>(&lock) >> 6) * 0x9e37'79b9'7f4a'7c15;
  return static_cast<size_t>(hash >> 20) & (table.capacity - 1);
}

BufferEntry* find_in(const BufferTable& table, const Lock& lock, bool or_empty) {
  for (size_t slot = slot_of(table, lock);; slot = (slot + 1) & (table.capacity - 1)) {
    BufferEntry& entry = table.entries[slot];
    if (entry.lock == &lock) return &entry;
    if (entry.lock == nullptr) return or_empty ? &entry : nullptr;
  }
}

BufferEntry* find_buffer(const Lock& lock) { return buffers == nullptr ? nullptr : find_in(*buffers, lock, false); }

bool grow() {
  size_t live = 0;
  for (size_t i = 0; buffers != nullptr && i < buffers->capacity; ++i) {
    if (buffers->entries[i].references != 0) ++live;
  }
  size_t capacity = 64;
  while (capacity < 4 * (live + 1)) capacity *= 2;
  auto* const table = static_cast<BufferTable*>(malloc(sizeof(BufferTable)));
  auto* const entries = static_cast<BufferEntry*>(calloc(capacity, sizeof(BufferEntry)));
  if (table == nullptr || entries == nullptr) {
    free(table);
    free(entries);
    return false;
  }
  *table = {capacity, live, entries};
  for (size_t i = 0; buffers != nullptr && i < buffers->capacity; ++i) {
    const BufferEntry& entry = buffers->entries[i];
    if (entry.references != 0) *find_in(*table, *entry.lock, true) = entry;
  }
  BufferTable* const old = buffers;
  __atomic_store_n(&buffers, table, __ATOMIC_RELEASE);
  if (old != nullptr) free(old->entries);
  free(old);
  return true;
}

// ---- the count of threads inside: the process's generation in the upper half, so that a forked child starts from none.

uint64_t counted(uint64_t inside, int by) {
  const uint64_t fork_generation = uint64_t{current_fork_generation()} << 32;
  const uint64_t count = (inside & ~uint64_t{UINT32_MAX}) == fork_generation ? inside & UINT32_MAX : 0;
  if (by < 0 && count == 0) return fork_generation;
  return fork_generation | (count + static_cast<uint64_t>(static_cast<int64_t>(by)));
}

void count(Lock& lock, int by) {
  if (is_buffer(lock)) {
    const ProcessLock guard;
    if (BufferEntry* const entry = find_buffer(lock); entry != nullptr) entry->inside = counted(entry->inside, by);
    return;
  }
  uint64_t& inside = control_of(lock).inside;
  uint64_t found = load_relaxed(inside);
  while (!cas_relaxed(inside, found, counted(found, by))) {
  }
}

}  // namespace

Lock* find_file(dev_t device, ino_t inode) {
  for (FileControl* control = bucket_of(device, inode); control != nullptr; control = control->next) {
    if (control->inode == inode && control->device == device) return &lock_of(*control);
  }
  return nullptr;
}

void add_file(FileControl& control) {
  FileControl*& bucket = bucket_of(control.device, control.inode);
  control.next = bucket;
  compiler_barrier();
  store_relaxed(bucket, &control);
  ++file_count;
}

void remove_file(FileControl& control) {
  FileControl** link = &bucket_of(control.device, control.inode);
  while (*link != &control) link = &(*link)->next;
  store_relaxed(*link, control.next);
  --file_count;
}

int add_buffer_reference(Lock& lock) {
  if ((buffers == nullptr || 2 * (buffers->used + 1) > buffers->capacity) && find_buffer(lock) == nullptr && !grow()) {
    return ENOMEM;
  }
  BufferEntry& entry = *find_in(*buffers, lock, true);
  if (entry.lock == nullptr) {
    entry.lock = &lock;
    ++buffers->used;
  }
  ++entry.references;
  ++buffer_references;
  return 0;
}

uint32_t references(const Lock& lock) {
  if (!is_buffer(lock)) return control_of(lock).references;
  const BufferEntry* const entry = find_buffer(lock);
  return entry == nullptr ? 0 : entry->references;
}

uint32_t drop_reference(Lock& lock) {
  if (!is_buffer(lock)) return --control_of(lock).references;
  BufferEntry* const entry = find_buffer(lock);
  if (entry == nullptr || entry->references == 0) return 0;
  --buffer_references;
  return --entry->references;
}

bool any_open() { return file_count != 0 || buffer_references != 0; }

bool anyone_inside(const Lock& lock) {
  uint64_t inside = 0;
  if (!is_buffer(lock)) {
    inside = load_relaxed(control_of(lock).inside);
  } else if (const BufferEntry* const entry = find_buffer(lock); entry != nullptr) {
    inside = entry->inside;
  }
  return inside >> 32 == current_fork_generation() && (inside & UINT32_MAX) != 0;
}

WaitScope::WaitScope(Lock& lock) : lock_(lock) { count(lock, +1); }
WaitScope::~WaitScope() { count(lock_, -1); }

uint64_t pid_namespace_of(const Lock& lock) {
  if (!is_buffer(lock)) return control_of(lock).pid_namespace;
  return reinterpret_cast<const Header*>(reinterpret_cast<const char*>(&lock) - sizeof(Header))->pid_namespace;
}

const char* path_of(const Lock& lock) { return is_buffer(lock) ? nullptr : control_of(lock).path; }

}  // namespace shmutex::registry
