// The mutex, as the folder of shared objects sees it.
#pragma once

#include "mutex/layout.h"
#include "object/kind.h"

namespace shmutex {

extern const Kind mutex_kind;

}  // namespace shmutex
