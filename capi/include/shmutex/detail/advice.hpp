// What a C++ program can do about a failure, where the library's advice is C's (shmutex_error_advice()).
#ifndef SHMUTEX_DETAIL_ADVICE_HPP
#define SHMUTEX_DETAIL_ADVICE_HPP

#include <shmutex/base.h>

#include <string>
#include <string_view>

namespace shmutex::detail {

struct advice {
  std::string_view reason;
  const char* text;
};

inline constexpr advice advice_table[] = {
    {"null_argument", "Pass valid memory."},
    {"bad_info_size", "Set its member size to the size of the struct."},
    {"memory_too_small", "Bring at least SHMUTEX_SIZE bytes."},
    {"memory_misaligned", "Declare it with alignas(SHMUTEX_ALIGN)."},
    {"exists", "Leave flags::must_create out to open it, or choose another path."},
    {"must_exist", "Start what creates it first, or open it without flags::must_exist."},
    {"planted", "Use a directory of your own, or pass flags::must_exist if that user is trusted."},
    {"attributes", "Use the class and flags that it was created with, or pass flags::any_attributes."},
    {"buffer_not_a_lock", "Make one with mutex::init(), or pass flags::init_once for zeroed memory."},
    {"buffer_stale", "Make it again with mutex::init() when nothing uses it."},
    {"self_deadlock", "Release it first, or use a recursive_mutex."},
    {"depth", "Look for a lock() without its unlock()."},
    {"not_owner", "Only the owner may do this: look for an unlock() too many, or for one in another thread."},
    {"close_held", "Release it before destroying its last mutex."},
    {"close_inside", "Destroy the last mutex when all calls have returned."},
    {"owner_died", "Construct the mutex with a recovery function that repairs the data."},
    {"poisoned",
     "Rebuild the data, remove the lock with shmutex::unlink() (memory: mutex::init()), and construct the mutex "
     "again."},
    {"retired", "Destroy the mutex and construct it again."},
};

inline const char* advice_text() {
  const std::string_view reason = shmutex_error_reason();
  for (const advice& each : advice_table) {
    if (each.reason == reason) return each.text;
  }
  return shmutex_error_advice();
}

// The calling thread's last failure. system_error appends ": " and the category's words, so the sentence's end goes.
inline std::string failure_text() {
  std::string text = shmutex_error_fact();
  if (text.empty()) return text;
  text.append(" ").append(advice_text());
  if (text.back() == '.') text.pop_back();
  return text;
}

}  // namespace shmutex::detail

#endif
