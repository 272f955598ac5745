// How an object's file comes to be.
#pragma once

#include "object/kind.h"
#include "os/file.h"

namespace shmutex {

// What stands in the header of an object of that kind in a file on this machine.
Identity file_identity(const Kind& kind, uint32_t attributes);

// That object's header, for the file behind fd, and not yet valid. 0 or -errno.
int make_file_header(int fd, Identity identity, Header& out);

// Publishes a complete file under a name that must not exist yet; `out` has its live-user lock. EEXIST: another process
// was faster. Other errors are recorded.
int create_file(const char* path, const Kind& kind, uint32_t attributes, unsigned mode, file::Descriptor& out);

// Records that the file system does not do. ENOTSUP.
int fail_by_file_system(const char* path, int64_t type);

}  // namespace shmutex
