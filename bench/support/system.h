// Shared memory, a scratch folder, time and calibrated busy-waiting.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <type_traits>

namespace bench {

// Ends the program with the call's name and errno's text.
[[noreturn]] void die(const char* what);
// The same for functions that return an error number; 0 goes on.
void check(int error, const char* what);

// Zeroed memory that forked children share.
void* shared_bytes(std::size_t size);
void unmap(void* memory, std::size_t size);

template <class T>
T& shared() {
  static_assert(std::is_trivially_destructible_v<T>);
  return *new (shared_bytes(sizeof(T))) T{};
}

template <class T>
void release(T& object) {
  unmap(&object, sizeof(T));
}

// One zeroed T, with cache lines of its own, that children forked later share.
template <class T>
class Shared {
 public:
  Shared() : object_(shared<T>()) {}
  ~Shared() { release(object_); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  T& operator*() const { return object_; }
  T* operator->() const { return &object_; }

 private:
  T& object_;
};

// A folder on tmpfs that is removed, with all in it, when the process that made it ends.
const std::string& scratch_folder();
std::string scratch_file(const std::string& name);

int64_t now_ns();

// How often busy() turns in a microsecond: the fastest of many trials, so that other load does not shorten it.
uint64_t turns_per_us();
uint64_t turns_for(int64_t ns);

inline void busy(uint64_t turns) {
  for (uint64_t i = 0; i < turns; ++i) asm volatile("" ::: "memory");
}

}  // namespace bench
