// Objects in files, mapped: for each shared page of the file, a page that is private to this process directly behind it.
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

// The file is mapped through `fd`. Closes it and returns -1 where the mapping keeps the file's live-user lock; else a
// descriptor to keep.
int descriptor_to_keep(file::Descriptor& fd, const char* path, int64_t file_system);

}  // namespace shmutex
