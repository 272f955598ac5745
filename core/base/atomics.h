// Atomic accesses to plain fields. Memory that other processes write is only ever touched through these.
#pragma once

#include <cstdint>

namespace shmutex {

template <class T>
inline T load_relaxed(const T& field) {
  return __atomic_load_n(&field, __ATOMIC_RELAXED);
}

template <class T>
inline T load_acquire(const T& field) {
  return __atomic_load_n(&field, __ATOMIC_ACQUIRE);
}

template <class T>
inline void store_relaxed(T& field, T value) {
  __atomic_store_n(&field, value, __ATOMIC_RELAXED);
}

template <class T>
inline void store_release(T& field, T value) {
  __atomic_store_n(&field, value, __ATOMIC_RELEASE);
}

// On failure, expected receives the value found.
template <class T>
inline bool cas_acquire(T& field, T& expected, T desired) {
  return __atomic_compare_exchange_n(&field, &expected, desired, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

template <class T>
inline bool cas_release(T& field, T& expected, T desired) {
  return __atomic_compare_exchange_n(&field, &expected, desired, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

template <class T>
inline bool cas_relaxed(T& field, T& expected, T desired) {
  return __atomic_compare_exchange_n(&field, &expected, desired, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

// A plain increment of a field that only the lock's owner writes, and anybody may read.
template <class T>
inline void bump(T& field) {
  store_relaxed(field, static_cast<T>(load_relaxed(field) + 1));
}

// Orders what the kernel will see of this thread if it dies here: it looks in the thread's own context, so the order of
// the instructions is enough.
inline void compiler_barrier() { __asm__ volatile("" ::: "memory"); }

// Before a system call that makes the releasing store for us.
inline void release_fence() {
#if defined(__x86_64__)
  compiler_barrier();  // stores are not reordered with older accesses
#elif defined(__aarch64__)
  __asm__ volatile("dmb ish" ::: "memory");
#endif
}

inline void cpu_relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  // isb waits about as long as x86's pause; yield is a no-op on most cores.
  __asm__ volatile("isb" ::: "memory");
#endif
}

inline bool likely(bool condition) { return __builtin_expect(condition, 1); }
inline bool unlikely(bool condition) { return __builtin_expect(condition, 0); }

}  // namespace shmutex
