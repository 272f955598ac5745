// What a process has open and mapped, so that a test sees that nothing leaks.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vector>

namespace footprint {

// AddressSanitizer's own mappings come and go.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool mappings_are_ours = false;
#elif defined(__has_feature)
inline constexpr bool mappings_are_ours = !__has_feature(address_sanitizer);
#else
inline constexpr bool mappings_are_ours = true;
#endif

struct Size {
  size_t descriptors = 0;
  size_t mappings = 0;
  size_t mapped_bytes = 0;  // but those of the heap and the stack, which are not the library's to give back
  bool operator==(const Size&) const = default;
};

// Compares what the process has now with what it had at the beginning. Make it after a warm-up: what a process does
// once is no leak. It goes on working when /proc is gone.
class Watch {
 public:
  Watch() : text_(1 << 20), proc_(open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), before_(measure()) {}
  ~Watch() { close(proc_); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  testing::AssertionResult nothing_leaked() {
    const Size now = measure();
    if (now == before_) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "descriptors " << before_.descriptors << " -> " << now.descriptors
                                       << ", mappings " << before_.mappings << " -> " << now.mappings
                                       << ", bytes mapped " << before_.mapped_bytes << " -> " << now.mapped_bytes;
  }

  // For forked children, where no test fails: these say so on stderr.
  bool grown_by_more_than(size_t mappings, size_t bytes) {
    const Size now = measure();
    if (now.descriptors == before_.descriptors && now.mappings <= before_.mappings + mappings &&
        now.mapped_bytes <= before_.mapped_bytes + bytes) {
      return false;
    }
    return leaked_something();
  }

  bool leaked_something() {
    const testing::AssertionResult result = nothing_leaked();
    if (!result) fprintf(stderr, "leaked: %s\n", result.message());
    return !result;
  }

 private:
  Size measure() {
    Size size;
    const int directory = openat(proc_, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* const descriptors = fdopendir(directory);
    while (readdir(descriptors) != nullptr) ++size.descriptors;
    closedir(descriptors);
    if (!mappings_are_ours) return size;
    const int maps = openat(proc_, "maps", O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    for (ssize_t got = 0; (got = read(maps, &text_[length], text_.size() - 1 - length)) > 0;) {
      length += static_cast<size_t>(got);
    }
    close(maps);
    text_[length] = '\0';
    for (char* line = strtok(text_.data(), "\n"); line != nullptr; line = strtok(nullptr, "\n")) {
      unsigned long begin = 0;
      unsigned long end = 0;
      if (sscanf(line, "%lx-%lx", &begin, &end) != 2) abort();
      if (strstr(line, "[heap]") != nullptr || strstr(line, "[stack]") != nullptr) continue;
      ++size.mappings;
      size.mapped_bytes += end - begin;
    }
    return size;
  }

  std::vector<char> text_;  // brought along: measuring maps nothing
  int proc_;
  Size before_;
};

}  // namespace footprint
