#include "error/sentence.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

namespace shmutex {
namespace {

class Writer {
 public:
  Writer(char* out, size_t size) : begin_(out), next_(out), last_(out + size - 1) { *out = '\0'; }
  bool at_start() const { return next_ == begin_; }
  void add(const char* text, size_t length) {
    const auto room = static_cast<size_t>(last_ - next_);
    if (length > room) length = room;
    memcpy(next_, text, length);
    next_ += length;
    *next_ = '\0';
  }
  void add(const char* text) { add(text, strlen(text)); }

 private:
  char* begin_;
  char* next_;
  char* last_;
};

const char* attribute_words(uint64_t attributes) {
  static const char* const words[] = {"plain", "recursive", "fair", "recursive and fair"};
  return words[attributes & 3];
}

// By kind_number (object/header.h).
const char* const kinds[] = {
    "a mutex", "a condition variable", "an event", "a semaphore", "a read-write lock", "a barrier", "a ring"};

const char* kernel_words(uint64_t code) {
  const char* const words = strerrordesc_np(static_cast<int>(code));
  return words != nullptr ? words : "an unknown error";
}

void add_value(Writer& out, const char* format, size_t length, uint64_t value) {
  const auto is = [&](const char* name) { return length == strlen(name) && memcmp(format, name, length) == 0; };
  if (is("error")) return out.add(kernel_words(value));
  if (is("attributes")) return out.add(attribute_words(value));
  if (is("kind")) {
    if (value < sizeof kinds / sizeof kinds[0]) return out.add(kinds[value]);
    out.add("an object of kind ");
  }
  char digits[24];
  snprintf(digits, sizeof digits, is("hex") ? "%" PRIx64 : is("octal") ? "%" PRIo64 : "%" PRIu64, value);
  out.add(digits);
}

// {name} or {name:format}: returns what follows it.
const char* add_placeholder(Writer& out, const char* placeholder, const Facts& facts) {
  const char* const name = placeholder + 1;
  const char* const end = strchr(name, '}');
  if (strncmp(name, "lock}", 5) == 0) {
    const bool named = facts.lock != nullptr && facts.lock[0] != '\0';
    out.add(named ? facts.lock : out.at_start() ? "The lock" : "the lock");
  } else {
    const char* const format = name[1] == ':' ? name + 2 : end;
    add_value(out, format, static_cast<size_t>(end - format), name[0] == 'a' ? facts.a : facts.b);
  }
  return end + 1;
}

}  // namespace

void make_sentence(char* out, size_t size, const char* pattern, const Facts& facts) {
  Writer writer(out, size);
  while (*pattern != '\0') {
    if (*pattern == '{') {
      pattern = add_placeholder(writer, pattern, facts);
    } else if (*pattern == '[' && facts.a == 0) {
      pattern = strchr(pattern, ']') + 1;
    } else if (*pattern == '[' || *pattern == ']') {
      ++pattern;
    } else {
      const size_t length = strcspn(pattern, "{[]");
      writer.add(pattern, length);
      pattern += length;
    }
  }
}

}  // namespace shmutex
