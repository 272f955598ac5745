// Locks in files: open and close in this process, create, take over, remove.
#pragma once

#include <sys/stat.h>

#include "mutex/layout.h"
#include "object/header.h"
#include "os/file.h"

namespace shmutex {

struct OpenRequest {
  uint32_t attributes;
  bool any_attributes;
  bool must_exist;
  bool must_create;
  unsigned mode;
};

int open_file(Lock*& out, const char* path, const OpenRequest& request);
int unlink_file(const char* path);

// For files and buffers alike.
int close_lock(Lock& lock);

namespace file_format {

// One page of this machine.
size_t unit_size();
Header header(uint32_t attributes);

// Publishes a complete lock file under a name that must not exist yet; `out` has its live-user lock. EEXIST: somebody was
// faster. Other errors are explained.
int create(const char* path, uint32_t attributes, unsigned mode, file::Descriptor& out);

// Lets the process in as a user of an existing file: judges it, resets it if it is stale, and leaves the descriptor with
// the live-user lock, and `header` what the file now says. Errors are explained.
int admit(int fd, const char* path, Header& header);

}  // namespace file_format
}  // namespace shmutex
