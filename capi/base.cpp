// The C ABI of what all primitives share. See shmutex/base.h for the contract.
#include <shmutex/base.h>

#include "error/failure.h"
#include "shim.h"

using shmutex::capi::KeepErrno;

const char* shmutex_strerror(int code) {
  const KeepErrno keep;
  return shmutex::code_text(code);
}

const char* shmutex_error_detail(void) {
  const KeepErrno keep;
  return shmutex::failure_text();
}

const char* shmutex_error_reason(void) { return shmutex::failure_reason(); }

const char* shmutex_error_fact(void) {
  const KeepErrno keep;
  return shmutex::failure_fact();
}

const char* shmutex_error_advice(void) { return shmutex::failure_advice(); }

#define SHMUTEX_STRING_(x) #x
#define SHMUTEX_STRING(x) SHMUTEX_STRING_(x)

const char* shmutex_version(void) {
  return SHMUTEX_STRING(SHMUTEX_VERSION_MAJOR) "." SHMUTEX_STRING(SHMUTEX_VERSION_MINOR) "." SHMUTEX_STRING(
      SHMUTEX_VERSION_PATCH);
}
