// Every object that this process has open, once each: "one object, one record per process".
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace shmutex::registry {

// The record of an object in a file; it lies in the object's private page.
struct FileEntry {
  dev_t device;
  ino_t inode;
  FileEntry* next;
  uint64_t waiting;  // threads that wait
  uint64_t looks;
  uint32_t remover;  // TID of the look that takes the object for its end, so that it seems held; 0: none
  uint32_t references;
};

// These need the ProcessLock.
FileEntry* find_file(dev_t device, ino_t inode);
void add_file(FileEntry& entry);
void remove_file(FileEntry& entry);

// A look is a call that has the object by its path: it keeps the object mapped as a handle does, and hinders no close.
void begin_look(FileEntry& entry);
void end_look(FileEntry& entry);
bool anyone_looks(const FileEntry& entry);

// Objects in memory are known by address, since nothing of this process can lie in memory that is shared.
int add_memory_reference(const void* object);  // 0 or ENOMEM
uint32_t memory_references(const void* object);
uint32_t drop_memory_reference(const void* object);  // returns how many are left; one without any is forgotten
bool any_open();

// Whether an object lies in memory or in a file: one in a file lies at the end of a page, so most addresses tell. The
// others are noted here rather than read from the object, which in memory is shared, and may be overwritten: while it
// has references, and during calls on memory that has none. note: 0 or ENOMEM. note and forget need the ProcessLock,
// the others do not.
constexpr uintptr_t smallest_page = 4096;
constexpr uintptr_t from_page_end = 64;
inline bool may_be_in_file(const void* object) {
  return reinterpret_cast<uintptr_t>(object) % smallest_page == smallest_page - from_page_end;
}
bool is_noted_memory(const void* object);
int note_memory(const void* object);
void forget_memory(const void* object);
void forget_unmapped_memory(const void* object);  // for a file was mapped there
inline bool is_in_memory(const void* object) { return !may_be_in_file(object) || is_noted_memory(object); }

// Threads of this process in a waiting call on the object. To ask needs the ProcessLock.
bool anyone_waiting(const FileEntry& entry);
bool anyone_waiting_memory(const void* object);

// These do not.
void begin_wait(FileEntry& entry);
void end_wait(FileEntry& entry);
void begin_wait_in_memory(const void* object);
void end_wait_in_memory(const void* object);

}  // namespace shmutex::registry
