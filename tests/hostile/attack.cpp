#include "attack.h"

#include <time.h>

#include <cstring>

namespace attack {
namespace {

// Where things lie is part of the format: tests/core holds these to the layout's headers.
constexpr size_t line = page_size - 64;
constexpr size_t baton = line + 40;
constexpr size_t hint = line + 48;
constexpr size_t word = line + 56;
constexpr size_t state = line + 60;
constexpr size_t header_size = 64;

template <class T>
size_t put(const Target& target, size_t offset, T value) {
  memcpy(target.page + offset, &value, sizeof value);
  return sizeof value;
}

// Aligned and whole, as a program that has the lock's source would write it.
size_t put_word(const Target& target, size_t offset, uint32_t value) {
  __atomic_store_n(reinterpret_cast<uint32_t*>(target.page + offset), value, __ATOMIC_SEQ_CST);
  return sizeof value;
}

uint32_t some_tid(const Target& target, Random& random) {
  switch (random() % 8) {
    case 0: return 0;
    case 1: return 1;
    case 2: return 0x3fffffff;
    case 3: return static_cast<uint32_t>(random()) & 0x3fffffff;
    default: return target.tids[random() % target.tids.size()];
  }
}

uint32_t some_word(const Target& target, Random& random) {
  return some_tid(target, random) | (static_cast<uint32_t>(random() % 4) << 30);
}

size_t random_byte(const Target& target, Random& random) {
  return put(target, random() % page_size, static_cast<unsigned char>(random()));
}

size_t random_page(const Target& target, Random& random) {
  for (size_t i = 0; i < page_size; i += 8) put(target, i, random());
  return page_size;
}

size_t header_bits(const Target& target, Random& random) {
  const size_t at = random() % header_size;
  target.page[at] ^= static_cast<unsigned char>(1u << random() % 8);
  return 1;
}

// Addresses of this process's image are as good as the victims': it was forked from the same.
size_t pointers(const Target& target, Random& random) {
  static int in_data;
  int on_stack = 0;
  const uintptr_t looks_real[] = {reinterpret_cast<uintptr_t>(&in_data), reinterpret_cast<uintptr_t>(&on_stack),
                                  reinterpret_cast<uintptr_t>(target.page) + random() % page_size,
                                  reinterpret_cast<uintptr_t>(&strategies), 0x4141'4141'4141'4141, 8, 1};
  return put(target, random() % (page_size / 8) * 8, looks_real[random() % std::size(looks_real)]);
}

size_t lock_words(const Target& target, Random& random) { return put_word(target, word, some_word(target, random)); }

size_t freed_words(const Target& target, Random&) { return put_word(target, word, 0); }

size_t baton_words(const Target& target, Random& random) { return put_word(target, baton, some_word(target, random)); }

size_t freed_batons(const Target& target, Random&) { return put_word(target, baton, 0); }

size_t both_freed(const Target& target, Random&) { return put_word(target, baton, 0) + put_word(target, word, 0); }

size_t hints(const Target& target, Random& random) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const auto ns = static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
  const uint64_t values[] = {0, 1, ns, ns + 20'000'000, ns + 3'600'000'000'000, UINT64_MAX, UINT64_MAX / 2, random()};
  return put(target, hint, values[random() % std::size(values)]);
}

size_t states(const Target& target, Random& random) {
  return put_word(target, state, static_cast<uint32_t>(random() % 2 == 0 ? random() : random() % 8));
}

size_t other_locks_page(const Target& target, Random&) {
  memcpy(target.page, target.other_page, page_size);
  return page_size;
}

size_t zeros(const Target& target, Random&) {
  memset(target.page, 0, page_size);
  return page_size;
}

size_t whole_line(const Target& target, Random& random) {
  lock_words(target, random);
  baton_words(target, random);
  hints(target, random);
  states(target, random);
  return 20;
}

}  // namespace

const std::vector<Strategy> strategies = {
    {"random bytes", random_byte},   {"random pages", random_page},     {"header bits", header_bits},
    {"pointers", pointers},          {"lock words", lock_words},        {"freed words", freed_words},
    {"baton words", baton_words},    {"freed batons", freed_batons},    {"both freed", both_freed},
    {"hints", hints},                {"states", states},                {"another lock's page", other_locks_page},
    {"zeros", zeros},                {"the whole line", whole_line},
};

}  // namespace attack
