// Since when the present hold is known to last: noted by a waiter that finds it in its way, so that an owner's fast
// path pays nothing. Advice in the header: any value is harmless.
#pragma once

#include <cstdint>

#include "mutex/layout.h"

namespace shmutex {

inline void note_hold(const Lock& lock, int64_t now) {
  Advice& advice = header_of(lock).advice;
  const uint64_t token = load_relaxed(lock.shared.token);
  if (load_relaxed(advice.waiting_token) == token) return;
  store_relaxed(advice.waiting_token, uint64_t{0});
  store_release(advice.waiting_since, static_cast<uint64_t>(now));
  store_release(advice.waiting_token, token);
}

// CLOCK_MONOTONIC ns; 0: no waiter has noted the hold of that token.
inline uint64_t noted_since(const Advice& advice, uint64_t token, int64_t now) {
  if (load_acquire(advice.waiting_token) != token) return 0;
  const uint64_t since = load_acquire(advice.waiting_since);
  if (load_relaxed(advice.waiting_token) != token) return 0;
  return since <= static_cast<uint64_t>(now) ? since : 0;
}

}  // namespace shmutex
