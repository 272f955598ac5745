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
  uint64_t inside;  // threads that wait
  uint32_t references;
};

// These need the ProcessLock.
FileEntry* find_file(dev_t device, ino_t inode);
void add_file(FileEntry& entry);
void remove_file(FileEntry& entry);

// Objects in memory are known by address, since nothing of this process can lie in memory that is shared.
int add_memory_reference(const void* object);  // 0 or ENOMEM
uint32_t memory_references(const void* object);
uint32_t drop_memory_reference(const void* object);  // returns how many are left; one without any is forgotten
bool any_open();

// Threads of this process inside a waiting call on the object. To ask needs the ProcessLock.
bool anyone_inside(const FileEntry& entry);
bool anyone_inside_memory(const void* object);

// These do not.
void enter(FileEntry& entry);
void leave(FileEntry& entry);
void enter_memory(const void* object);
void leave_memory(const void* object);

}  // namespace shmutex::registry
