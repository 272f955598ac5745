// What one process knows of itself: where its TIDs mean something, and whether it was forked elsewhere.
#pragma once

#include "os/tid_scope.h"

namespace shmutex {

// Makes this_thread() and our_tid_scope() valid. Called first by everything but the fast paths. 0 or an errno value.
int ensure_process_ready();

// Whether this process was forked into another PID namespace with open objects: every call must ask whether its object
// is one of them.
bool process_migrated();

// The boot and PID namespace of this process; valid after ensure_process_ready().
const TidScope& our_tid_scope();

}  // namespace shmutex
