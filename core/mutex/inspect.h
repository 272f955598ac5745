// Looking at a lock without locking it.
#pragma once

#include "mutex/layout.h"
#include "object/header.h"

namespace shmutex {

enum class State : uint8_t { free, held, owner_died, poisoned, retired };

struct Inspection {
  State state;
  uint32_t attributes;
  uint32_t waiters;  // how many; or 1, where it is only known that there are some
  uint32_t owner_tid;
  uint32_t owner_pid;
  uint32_t depth;
  uint32_t last_dead_tid;
  uint64_t token;
  uint64_t contended;
  uint64_t recoveries;
  bool same_boot;
  bool same_pid_namespace;
  uint64_t links;
  uint32_t kind;
  uint64_t owner_since;
};

Inspection inspect(const Lock& lock);
int inspect_file(const char* path, Inspection& out);

}  // namespace shmutex
