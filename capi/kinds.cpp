// Every kind of object that this library has.
#include "mutex/kind.h"

namespace shmutex {

const Kind* const known_kinds[] = {&mutex_kind, nullptr};

}  // namespace shmutex
