#include "object/kind.h"

namespace shmutex {

const Understood* understood_of(uint16_t number, const Kind& asked_for) {
  if (asked_for.understood.kind == number) return &asked_for.understood;
  for (const Kind* const* kind = known_kinds; *kind != nullptr; ++kind) {
    if ((*kind)->understood.kind == number) return &(*kind)->understood;
  }
  return nullptr;
}

}  // namespace shmutex
