// Objects in files, mapped: for each shared page of the file, a page that is private to this process directly behind
// it.
#pragma once

#include <cstdint>

#include "object/object.h"
#include "os/file.h"

namespace shmutex {

// One page of this machine.
size_t page_size();

// How large the file of an object of that kind is.
size_t file_size_of(const Kind& kind);

// Null: no memory. The file must be that large.
Object* map_file(int fd, const Kind& kind);
void unmap(Object& object);

// A user of a file holds a shared lock on its users' byte. The mapping keeps it on most file systems, after `fd`,
// through which the file was mapped, is closed; where it does not, `fd` is kept, and known again by a mark.
void keep_users_lock(Object& object, file::Descriptor& fd, const char* path, int64_t file_system);

// False: the program has closed the descriptor that was kept. ensure: takes the lock again through the path, or `fd` if
// that is open already. 0; EBADF, EXDEV: impossible; recorded.
bool has_users_lock(const Object& object);
int take_users_lock_again(Object& object, file::Descriptor& fd);
int ensure_users_lock(Object& object);

}  // namespace shmutex
