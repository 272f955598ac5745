// What a lock orders, told to the race detectors that may watch the program: ThreadSanitizer, Helgrind, DRD. They know
// pthread's locks and take any other for none.
//
// It costs nothing where nobody watches. In a thread that is watched() the fast paths of locking are never taken, so
// that only the cold ones need to tell.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__SANITIZE_THREAD__)
#define SHMUTEX_BUILT_WITH_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SHMUTEX_BUILT_WITH_TSAN 1
#endif
#endif

// There if the program was built with -fsanitize=thread.
extern "C" {
[[gnu::weak]] void __tsan_acquire(void*);
[[gnu::weak]] void __tsan_release(void*);
}

namespace shmutex::annotate {

// Valgrind's client requests: instructions that do nothing on a processor. Numbers and instructions are a stable
// interface of Valgrind's, <valgrind/valgrind.h>. Returns fallback where nobody answers.
inline uintptr_t ask_valgrind(uintptr_t fallback, uintptr_t request, uintptr_t a, uintptr_t b) {
  const volatile uintptr_t arguments[6] = {request, a, b, 0, 0, 0};
#if defined(__x86_64__)
  __asm__ volatile(
      "rolq $3, %%rdi; rolq $13, %%rdi; rolq $61, %%rdi; rolq $51, %%rdi\n\t"
      "xchgq %%rbx, %%rbx"
      : "+d"(fallback)
      : "a"(&arguments[0])
      : "cc", "memory");
#elif defined(__aarch64__)
  register uintptr_t result __asm__("x3") = fallback;
  register const volatile uintptr_t* first __asm__("x4") = &arguments[0];
  __asm__ volatile(
      "ror x12, x12, #3; ror x12, x12, #13; ror x12, x12, #51; ror x12, x12, #61\n\t"
      "orr x10, x10, x10"
      : "+r"(result)
      : "r"(first)
      : "cc", "memory");
  fallback = result;
#endif
  return fallback;
}

namespace request {
// Helgrind's; DRD knows the first two as well.
inline constexpr uintptr_t happens_before = 0x48470121;
inline constexpr uintptr_t happens_after = 0x48470122;
inline constexpr uintptr_t helgrind_untrack = 0x48470127;
inline constexpr uintptr_t helgrind_track = 0x48470128;
inline constexpr uintptr_t drd_thread = 0x44520001;
inline constexpr uintptr_t drd_untrack = 0x44520002;
inline constexpr uintptr_t drd_track = 0x44520003;
}  // namespace request

inline uintptr_t number_of(const void* address) { return reinterpret_cast<uintptr_t>(address); }

// Whether one of them watches. Not if this library was built with ThreadSanitizer: that sees its atomic accesses.
inline bool watched() {
#ifdef SHMUTEX_BUILT_WITH_TSAN
  return false;
#else
  const char nothing = 0;
  return __tsan_acquire != nullptr || ask_valgrind(0, request::drd_thread, 0, 0) != 0 ||
         ask_valgrind(1, request::helgrind_track, number_of(&nothing), 0) == 0;
#endif
}

// After the word was taken: what its last owner did happened before.
inline void acquired(const void* word) {
  if (__tsan_acquire != nullptr) __tsan_acquire(const_cast<void*>(word));
  ask_valgrind(0, request::happens_after, number_of(word), 0);
}

// Before the word is given back.
inline void releasing(const void* word) {
  if (__tsan_release != nullptr) __tsan_release(const_cast<void*>(word));
  ask_valgrind(0, request::happens_before, number_of(word), 0);
}

// The same on the fast paths. A ThreadSanitizer that sees this library's accesses does not see those that the kernel
// makes.
inline void acquired_fast([[maybe_unused]] const void* word) {
#ifdef SHMUTEX_BUILT_WITH_TSAN
  __tsan_acquire(const_cast<void*>(word));
#endif
}
inline void releasing_fast([[maybe_unused]] const void* word) {
#ifdef SHMUTEX_BUILT_WITH_TSAN
  __tsan_release(const_cast<void*>(word));
#endif
}

// Memory that is accessed atomically, which Valgrind's tools cannot know: they look at instructions, and on x86 an
// atomic load is like any other. (ThreadSanitizer does not see this library's accesses.)
inline void untrack(const void* memory, size_t size) {
  ask_valgrind(0, request::helgrind_untrack, number_of(memory), size);
  ask_valgrind(0, request::drd_untrack, number_of(memory), size);
}

// The memory is the program's again.
inline void track(const void* memory, size_t size) {
  ask_valgrind(0, request::helgrind_track, number_of(memory), size);
  ask_valgrind(0, request::drd_track, number_of(memory), size);
}

}  // namespace shmutex::annotate
