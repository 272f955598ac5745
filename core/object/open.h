// Handles of objects in files.
#pragma once

#include "object/kind.h"

namespace shmutex {

enum class Creation : uint8_t { if_missing, never, always };

struct OpenRequest {
  const Kind& kind;
  uint32_t attributes;
  bool any_attributes;  // whatever the object has
  Creation creation;
  unsigned mode;
};

// Of an object that exists, whatever its attributes.
inline OpenRequest request_existing(const Kind& kind) {
  return {.kind = kind, .attributes = 0, .any_attributes = true, .creation = Creation::never, .mode = 0};
}

int open_file(Object*& out, const char* path, const OpenRequest& request);

// For a call on the path, not for its caller: the object stays mapped until end_look(), and no close is hindered.
int look_at_file(Object*& out, const char* path, const OpenRequest& request);

}  // namespace shmutex
