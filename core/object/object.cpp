#include "object/object.h"

#include <errno.h>

#include "error/failure.h"
#include "process/process.h"
#include "process/process_lock.h"

namespace shmutex {
namespace {

uint64_t pid_namespace_of(const Object& object) {
  return is_in_memory(object) ? header_of(object).pid_namespace : control_of(object).pid_namespace;
}

}  // namespace

Header& header_of(const Object& object) {
  if (is_in_memory(object)) return memory_header_of(const_cast<Object&>(object));
  return *static_cast<Header*>(control_of(object).base);
}

const char* path_of(const Object& object) { return is_in_memory(object) ? nullptr : control_of(object).path; }

bool is_of_another_tid_scope(const Object& object) {
  return unlikely(process_migrated()) && pid_namespace_of(object) != our_tid_scope().pid_namespace;
}

int prepare(const Object& object) {
  if (const int error = ensure_process_ready(); error != 0) return error;
  return is_of_another_tid_scope(object) ? fail(EXDEV, Reason::forked_elsewhere, path_of(object)) : 0;
}

uint32_t references(const Object& object) {
  return is_in_memory(object) ? registry::memory_references(&object) : control_of(object).references;
}

uint32_t drop_reference(Object& object) {
  return is_in_memory(object) ? registry::drop_memory_reference(&object) : --control_of(object).references;
}

bool anyone_waiting(const Object& object) {
  return is_in_memory(object) ? registry::anyone_waiting_memory(&object) : registry::anyone_waiting(control_of(object));
}

WaitScope::WaitScope(Object& object) : object_(object) {
  if (is_in_memory(object_)) {
    registry::begin_wait_in_memory(&object_);
  } else {
    registry::begin_wait(control_of(object_));
  }
}

WaitScope::~WaitScope() {
  if (is_in_memory(object_)) {
    registry::end_wait_in_memory(&object_);
  } else {
    registry::end_wait(control_of(object_));
  }
}

}  // namespace shmutex
