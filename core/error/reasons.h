// The reasons of failures, and what is said of each: reasons.inc has them all.
#pragma once

#include <cstdint>

namespace shmutex {

enum class Reason : uint8_t {
  none,
#define REASON(name, fact, advice) name,
#include "error/reasons.inc"
#undef REASON
  count
};

struct ReasonText {
  const char* name;
  const char* fact;  // a pattern: see reasons.inc
  const char* advice;
};

const ReasonText& text_of(Reason reason);

// Which one a system call on a file means by this errno value.
Reason reason_of_kernel(int error);

// One sentence for a code, without knowing of what.
const char* code_text(int code);

}  // namespace shmutex
