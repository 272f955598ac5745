// Becoming a user of a file that exists, and how a stale one is made usable again.
#pragma once

#include "object/kind.h"
#include "os/file.h"

namespace shmutex {

// A user of the file holds a shared lock on this byte of it.
inline constexpr off_t users_byte = 0;

// How long to wait for a live process that is creating, resetting or removing.
inline constexpr int64_t takeover_timeout = 10'000'000'000;

// Judges the file, resets it if it is stale, and leaves the descriptor with the live-user lock, and `header` what the
// file now says. Errors are recorded.
int admit(int fd, const char* path, const Kind& kind, Header& header);

}  // namespace shmutex
