#include "attack.h"

#include <time.h>

#include <cstring>

namespace attack {
namespace {

// Where things lie is part of the format: tests/core holds these to the layout's headers.
constexpr size_t validity = 24;
constexpr size_t checksum = 88;
constexpr size_t header_size = 128;
constexpr size_t line = page_size - 64;
constexpr size_t baton = line + 44;
constexpr size_t yield_until = line + 32;
constexpr size_t word = line + 60;
constexpr size_t state = line + 40;

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

// A lock that says it is poisoned or removed is given back before anything else in it is looked at. So, mostly, it says
// nothing of the kind.
uint32_t some_state(Random& random) {
  if (random() % 16 != 0) return 0;
  return static_cast<uint32_t>(random() % 2 == 0 ? random() : random() % 8);
}

size_t states(const Target& target, Random& random) { return put_word(target, state, some_state(random)); }

// A broken header turns openers away, which then see nothing else. So, every other time, it is right.
size_t mended_header(const Target& target, Random& random) {
  if (random() % 2 == 0) return 0;
  memcpy(target.page, target.pristine, header_size);
  return header_size;
}

size_t random_byte(const Target& target, Random& random) {
  const size_t written = put(target, random() % page_size, static_cast<unsigned char>(random()));
  return written + states(target, random) + mended_header(target, random);
}

size_t random_page(const Target& target, Random& random) {
  unsigned char image[page_size];
  for (size_t i = 0; i < page_size; i += 8) {
    const uint64_t bytes = random();
    memcpy(image + i, &bytes, sizeof bytes);
  }
  const uint32_t sensible[] = {some_word(target, random), some_word(target, random), some_state(random)};
  if (random() % 4 != 0) memcpy(image + word, &sensible[0], 4);
  if (random() % 4 != 0) memcpy(image + baton, &sensible[1], 4);
  memcpy(image + state, &sensible[2], 4);
  memcpy(target.page, image, sizeof image);
  return page_size + mended_header(target, random);
}

// FNV-1a over the header, as the format has it: a liar can add up.
uint64_t sum_of(const unsigned char* header) {
  uint64_t hash = 0xcbf2'9ce4'8422'2325;
  for (size_t i = 0; i < checksum; ++i) {
    const bool summed = i < validity || i >= validity + 4;
    hash = (hash ^ (summed ? header[i] : 0u)) * 0x100'0000'01b3;
  }
  return hash;
}

// One bit of a header that is right otherwise: a heap of wrong bits is turned away at the magic number.
size_t header_bits(const Target& target, Random& random) {
  unsigned char header[header_size];
  memcpy(header, target.pristine, sizeof header);
  header[random() % header_size] ^= static_cast<unsigned char>(1u << random() % 8);
  if (random() % 2 == 0) {
    const uint64_t sum = sum_of(header);
    memcpy(header + checksum, &sum, sizeof sum);
  }
  memcpy(target.page, header, sizeof header);
  return sizeof header + mended_header(target, random);
}

// Half a creation, half a reset, an end, an earlier boot, another PID namespace, and that all is well.
size_t headers(const Target& target, Random& random) {
  constexpr uint32_t valid = 0x1d0c'57a1;
  const uint32_t values[] = {valid, valid, valid, 0, 0x5e77'1246, 0xdead'10cc, static_cast<uint32_t>(random())};
  unsigned char header[header_size];
  memcpy(header, target.pristine, sizeof header);
  memcpy(header + validity, &values[random() % std::size(values)], 4);
  if (random() % 4 == 0) header[8 + random() % 16] ^= 1;                          // boot id
  if (random() % 4 == 0) header[48 + random() % 8] ^= 1;                          // PID namespace
  if (random() % 4 == 0) header[44] ^= static_cast<unsigned char>(random() % 4);  // attributes
  const uint64_t sum = sum_of(header);
  memcpy(header + checksum, &sum, sizeof sum);
  memcpy(target.page, header, sizeof header);
  return sizeof header;
}

// Addresses of this process's image are as good as the victims': it was forked from the same.
size_t pointers(const Target& target, Random& random) {
  static int in_data;
  int on_stack = 0;
  const uintptr_t looks_real[] = {reinterpret_cast<uintptr_t>(&in_data),
                                  reinterpret_cast<uintptr_t>(&on_stack),
                                  reinterpret_cast<uintptr_t>(target.page) + random() % page_size,
                                  reinterpret_cast<uintptr_t>(&strategies),
                                  0x4141'4141'4141'4141,
                                  8,
                                  1};
  uintptr_t address = looks_real[random() % std::size(looks_real)];
  if (random() % 4 != 0 && !target.addresses.empty()) {
    constexpr uintptr_t beside[] = {0, 1, 8, 16, 24, 32, static_cast<uintptr_t>(-8), static_cast<uintptr_t>(-32)};
    address = target.addresses[random() % target.addresses.size()] + beside[random() % std::size(beside)];
  }
  const size_t at = random() % 2 == 0 ? random() % (page_size / 8) * 8 : line + random() % 8 * 8;
  return put(target, at, address) + states(target, random) + mended_header(target, random);
}

size_t lock_words(const Target& target, Random& random) { return put_word(target, word, some_word(target, random)); }

size_t freed_words(const Target& target, Random&) { return put_word(target, word, 0); }

size_t baton_words(const Target& target, Random& random) { return put_word(target, baton, some_word(target, random)); }

size_t freed_batons(const Target& target, Random&) { return put_word(target, baton, 0); }

size_t both_freed(const Target& target, Random&) { return put_word(target, baton, 0) + put_word(target, word, 0); }

size_t yield_requests(const Target& target, Random& random) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const auto ns = static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
  const uint64_t values[] = {0, 1, ns, ns + 20'000'000, ns + 3'600'000'000'000, UINT64_MAX, UINT64_MAX / 2, random()};
  return put(target, yield_until, values[random() % std::size(values)]);
}

size_t other_locks_page(const Target& target, Random& random) {
  memcpy(target.page, target.other_page, page_size);
  return page_size + (random() % 2 == 0 ? lock_words(target, random) : 0);
}

size_t zeros(const Target& target, Random&) {
  memset(target.page, 0, page_size);
  return page_size;
}

size_t whole_line(const Target& target, Random& random) {
  return lock_words(target, random) + baton_words(target, random) + yield_requests(target, random) +
         states(target, random);
}

}  // namespace

const std::vector<Strategy> strategies = {
    {"random bytes", random_byte},
    {"random pages", random_page},
    {"header bits", header_bits},
    {"headers", headers},
    {"pointers", pointers},
    {"lock words", lock_words},
    {"freed words", freed_words},
    {"baton words", baton_words},
    {"freed batons", freed_batons},
    {"both freed", both_freed},
    {"yield_requests", yield_requests},
    {"states", states},
    {"another lock's page", other_locks_page},
    {"zeros", zeros},
    {"the whole line", whole_line},
};

}  // namespace attack
