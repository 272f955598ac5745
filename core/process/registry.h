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

// Threads of this process in a waiting call on the object. To ask needs the ProcessLock.
bool anyone_waiting(const FileEntry& entry);
bool anyone_waiting_memory(const void* object);

// These do not.
void begin_wait(FileEntry& entry);
void end_wait(FileEntry& entry);
void begin_wait_in_memory(const void* object);
void end_wait_in_memory(const void* object);

}  // namespace shmutex::registry
