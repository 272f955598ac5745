// libshmutex for C++17 and newer: shmutex::mutex and shmutex::recursive_mutex, which meet the standard's TimedLockable
// requirements (std::scoped_lock, std::unique_lock and std::condition_variable_any work with them), on top of
// shmutex.h.
//
//     shmutex::mutex m("/dev/shm/app.lock", [&](shmutex::mutex&) { repair(data); });
//     {
//       const std::scoped_lock guard(m);
//       change(data);
//     }
//
// A failure throws std::system_error with the errno value in std::generic_category() and a text that says what was
// found and what to do. Whether the calling thread then holds the lock is said in shmutex/mutex.h for each code; in
// short, no exception out of lock(), try_lock(), try_lock_for() or try_lock_until() leaves one acquisition more than
// there was. See shmutex.hpp(3).
#ifndef SHMUTEX_SHMUTEX_HPP
#define SHMUTEX_SHMUTEX_HPP

#if !defined(__cplusplus) || __cplusplus < 201703L
#error "shmutex.hpp needs C++17 or newer (-std=c++17). shmutex.h is for older C++ and for C."
#else  // nothing of the rest, whose errors would bury this one

#include <shmutex/detail/recovery.h>
#include <shmutex/shmutex.h>
#include <shmutex/detail/advice.hpp>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

namespace shmutex {

// How to open; combined with |. Whether a lock is recursive is said by the class.
enum class flags : unsigned {
  none = 0,
  fair = SHMUTEX_FAIR,
  must_exist = SHMUTEX_MUST_EXIST,
  must_create = SHMUTEX_MUST_CREATE,
  any_attributes = SHMUTEX_ANY_ATTR,  // an existing lock may be recursive or fair, whatever was asked for
  init_once = SHMUTEX_INIT_ONCE       // memory only
};

constexpr flags operator|(flags a, flags b) noexcept {
  return static_cast<flags>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}

// Memory that the caller brings: SHMUTEX_SIZE bytes at a multiple of SHMUTEX_ALIGN.
struct memory {
  void* data;
  std::size_t size;
};

// A previous owner died inside, and the mutex has no recovery function. The lock is not held, and stays marked: the
// next owner is told, too.
class owner_died : public std::system_error {
 public:
  using std::system_error::system_error;
};

namespace detail {

[[noreturn, gnu::cold]] inline void raise(int code) {
  throw std::system_error(code, std::generic_category(), failure_text());
}

inline void check(int code) {
  if (code != 0) raise(code);
}

inline const char* c_path(const std::string& path) {
  if (path.find('\0') != std::string::npos) {
    throw std::system_error(EINVAL, std::generic_category(), "The path contains a null character");
  }
  return path.c_str();
}

// Rounded up, so that no wait is shorter than asked for; what is too long for 64 bits (292 years) is cut off.
template <class Rep, class Period>
std::int64_t nanoseconds(const std::chrono::duration<Rep, Period>& duration) {
  constexpr std::int64_t longest = std::numeric_limits<std::int64_t>::max();
  const long double exact = std::chrono::duration<long double, std::nano>(duration).count();
  if (!(exact > 0)) return 0;
  return exact >= static_cast<long double>(longest) ? longest : static_cast<std::int64_t>(std::ceil(exact));
}

}  // namespace detail

// Use it by its names mutex and recursive_mutex. As the standard's mutexes it can be neither copied nor moved. All
// functions but the constructor and the destructor may be called by many threads at once.
template <bool is_recursive>
class basic_mutex {
 public:
  using native_handle_type = shmutex_t*;

  // Called by the next owner after an owner died inside; the lock is held. It repairs the data. Returning
  // declares the data consistent. Throwing releases the lock, still marked, and goes on to the caller of lock().
  // Calling poison() gives the data up: the caller of lock(), and every later one, gets ENOTRECOVERABLE. Without a
  // recovery function, lock() throws owner_died.
  class recovery_function : public std::function<void(basic_mutex&)> {
   public:
    recovery_function(std::nullptr_t = nullptr) noexcept {}
    template <class F, class Result = std::invoke_result_t<F&, basic_mutex&>>
    recovery_function(F repair) : std::function<void(basic_mutex&)>(std::move(repair)) {
      static_assert(std::is_void_v<Result>,
                    "A recovery function returns nothing: when it fails, it throws or poisons.");
    }
  };

  // Opens the lock file at path, or creates it with the permission bits in mode (0: 0600); see shmutex_open(3).
  explicit basic_mutex(const std::string& path, flags options = flags::none, recovery_function recovery = nullptr,
                       unsigned mode = 0)
      : recovery_(std::move(recovery)) {
    detail::check(shmutex_open(&handle_, detail::c_path(path), all(options), mode));
  }

  basic_mutex(const std::string& path, recovery_function recovery)
      : basic_mutex(path, flags::none, std::move(recovery)) {}

  // Attaches to the lock in memory; see shmutex_attach(3). The memory must outlive this object.
  explicit basic_mutex(memory where, flags options = flags::none, recovery_function recovery = nullptr)
      : recovery_(std::move(recovery)) {
    detail::check(shmutex_attach(&handle_, where.data, where.size, all(options)));
  }
  basic_mutex(memory where, recovery_function recovery) : basic_mutex(where, flags::none, std::move(recovery)) {}

  // Never throws. If this is the process's last handle of a lock that one of its threads holds, or waits for, the lock
  // stays open (a file stays mapped), and the end of the owner is seen as its death. A lock in memory: the memory must
  // stay until then, too, or that thread's other locks may be lost with it (shmutex_init(3)).
  ~basic_mutex() { shmutex_close(handle_); }

  basic_mutex(const basic_mutex&) = delete;
  basic_mutex& operator=(const basic_mutex&) = delete;

  // Makes a lock in memory, whatever was there before; it must not be in use.
  static void init(memory where, flags options = flags::none) {
    detail::check(shmutex_init(where.data, where.size, all(options)));
  }

  void lock() {
    const int code = shmutex_lock(handle_);
    if (code != 0) settle(code);
  }

  // False: it is held. That ends with the owner's death, which is not "busy".
  bool try_lock() {
    const int code = shmutex_trylock(handle_);
    if (code == EBUSY) return false;
    if (code != 0) settle(code);
    return true;
  }

  template <class Rep, class Period>
  bool try_lock_for(const std::chrono::duration<Rep, Period>& timeout) {
    const int code = shmutex_timedlock(handle_, detail::nanoseconds(timeout));
    if (code == ETIMEDOUT) return false;
    if (code != 0) settle(code);
    return true;
  }

  // The wait itself is on the monotonic clock. Another clock is asked again at the end: one that was set back meanwhile
  // prolongs the wait, one that was set forward does not shorten it.
  template <class Clock, class Duration>
  bool try_lock_until(const std::chrono::time_point<Clock, Duration>& deadline) {
    for (;;) {
      const auto now = Clock::now();
      if (now >= deadline) return try_lock_for(std::chrono::nanoseconds::zero());
      if (try_lock_for(deadline - now)) return true;
    }
  }

  // Throws EPERM if the calling thread does not hold the lock, a forked child its parent's lock included, or if
  // another process overwrote it. From the destructor of a guard that ends the program: what was done inside was not
  // done alone.
  void unlock() { detail::check(shmutex_unlock(handle_)); }

  // For recovery functions that end their repair early, and for poison(): see shmutex_consistent(3).
  void consistent() { detail::check(shmutex_consistent(handle_)); }
  void poison() { detail::check(shmutex_poison(handle_)); }

  bool owned() const noexcept { return shmutex_is_owned(handle_) != 0; }
  std::uint64_t token() const noexcept { return shmutex_token(handle_); }

  shmutex_info_t info() const {
    shmutex_info_t found{};
    found.size = sizeof found;
    detail::check(shmutex_info(handle_, &found));
    return found;
  }

  native_handle_type native_handle() noexcept { return handle_; }

 private:
  static constexpr unsigned all(flags options) {
    return static_cast<unsigned>(options) | (is_recursive ? unsigned{SHMUTEX_RECURSIVE} : 0u);
  }

  [[gnu::cold]] void settle(int code) {
    if (code != EOWNERDEAD) detail::raise(code);
    if (!recovery_) {
      const std::string text = detail::failure_text();
      shmutex_settle_death(handle_, SHMUTEX_VERDICT_LEAVE);
      throw owner_died(EOWNERDEAD, std::generic_category(), text);
    }
    try {
      recovery_(*this);
    } catch (...) {
      shmutex_settle_death(handle_, SHMUTEX_VERDICT_LEAVE);
      throw;
    }
    detail::check(shmutex_settle_death(handle_, SHMUTEX_VERDICT_REPAIRED));
  }

  recovery_function recovery_;
  shmutex_t* handle_ = nullptr;
};

using mutex = basic_mutex<false>;
using recursive_mutex = basic_mutex<true>;

// Ends the life of the lock in memory; see shmutex_destroy(3).
inline void destroy(memory where) { detail::check(shmutex_destroy(where.data, where.size)); }

// Removes the lock file at path; see shmutex_unlink(3).
inline void unlink(const std::string& path) { detail::check(shmutex_unlink(detail::c_path(path), 0)); }

// Looks at the lock file at path without opening it for locking; see shmutex_inspect(3).
inline shmutex_info_t inspect(const std::string& path) {
  shmutex_info_t found{};
  found.size = sizeof found;
  detail::check(shmutex_inspect(detail::c_path(path), &found));
  return found;
}

}  // namespace shmutex

#endif  // C++17
#endif
