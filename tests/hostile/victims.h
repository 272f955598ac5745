// What is attacked: processes that use the lock while a peer overwrites its page. Each ends itself with a status that
// is neither 0 nor `unharmed` when a call returns what shmutex.h does not say, or another of its promises is broken.
#pragma once

#include <pthread.h>
#include <shmutex/shmutex.h>

#include <array>
#include <atomic>
#include <string>

#include "support/support.h"

namespace victims {

inline constexpr size_t count = 3;    // the first is killed and replaced all the time
inline constexpr size_t threads = 3;  // of each
inline constexpr int unharmed = 42;   // exit status

// One thread of a victim, as others see it.
struct Worker {
  std::atomic<uint32_t> tid;
  std::atomic<uintptr_t> list_head;   // of its robust list
  std::atomic<uint64_t> calls;        // that came back
  std::atomic<int64_t> deadline;      // of the call that it is in
  std::atomic<int64_t> longest_late;  // how long after its deadline a call came back, at most
};

struct Board {
  std::atomic<bool> stop;       // victims, openers
  std::atomic<bool> stop_peer;  // later
  std::array<Worker, count * threads> workers;
  std::array<std::atomic<uintptr_t>, count> handles;
  std::array<support::Flag, count> ready;  // has its other locks; the attack may begin
  std::atomic<uint64_t> kills;
  std::atomic<uint64_t> opens;   // processes that opened the lock, or were refused, under attack
  std::atomic<uint64_t> let_in;  // how many of these got a handle
  std::atomic<uint64_t> scribbled;
  std::array<pthread_mutex_t, count> robust;  // libc's own robust mutexes, one for each victim

  Board();
};

struct Case {
  std::string attacked;  // path
  std::string own;       // path, for locks that nobody attacks; completed by the victim's number
  unsigned attributes;   // of the attacked lock
};

// Holds two locks that nobody attacks and a robust mutex, and works on the one that is attacked until it is told to
// end, or killed. Closes the attacked lock at the end if it is to; holds the others when it exits.
enum class AtTheEnd { close, just_exit };
int be_a_victim(const Case& c, Board& board, size_t id, AtTheEnd end);

// Kills the first victim again and again, and looks whether its other locks were released each time.
int kill_the_first(const Case& c, Board& board);

// Starts process after process that opens the lock, uses it, closes it and exits, or is killed on the way.
int keep_opening(const Case& c, Board& board);

// Whether the other locks of a victim that is gone were released, with the due news.
bool others_were_released(const Case& c, Board& board, size_t id);

}  // namespace victims
