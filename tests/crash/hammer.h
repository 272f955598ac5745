// The workers of the random killer, and the memory they share with it.
//
// Under each lock lie two numbers, the second a function of the first; a worker changes one, then the other, so that a
// worker killed inside leaves them apart, and `entered`, which names the owner. From that follows what is wrong:
//   missed    acquired with 0, and the numbers are apart or a worker never left
//   invented  more EOWNERDEAD told than there were ends of a worker that owned the word; or, where nobody could look at the
//             word first, of a worker on its way in, inside, or on its way out
//   crashed   a worker ended otherwise than by SIGKILL or by itself
#pragma once

#include <pthread.h>
#include <shmutex/shmutex.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "support/kind.h"

namespace crash {

constexpr int lock_count = 8;
constexpr int slot_count = 4096;

enum class Phase : uint8_t { outside, on_the_way, inside };

// One thread's life. Claimed once; used again only after all others.
struct Slot {
  std::atomic<int> pid, tid;
  std::atomic<Phase> phase[lock_count];
  std::atomic<int64_t> since[lock_count];  // when the current call began; 0: in none
};

struct Guarded {
  std::atomic<uint64_t> number, shadow;
  std::atomic<int> entered;
  std::atomic<uint64_t> acquired, deaths_told, deaths_possible;
};

struct Board {
  std::atomic<bool> stop;
  std::atomic<bool> no_forks;  // whose children die unseen
  std::atomic<uint64_t> next_slot, missed, invented, failed, crashed;
  std::atomic<int> first_failure;
  std::atomic<int> first_failed_operation;
  std::atomic<uint64_t> forks, execs, threads;
  Guarded guarded[lock_count];
  Slot slots[slot_count];
  struct alignas(SHMUTEX_ALIGN) Buffer {
    unsigned char bytes[SHMUTEX_SIZE];
  } buffers[2];
};

Board* map_board(const std::string& directory);  // shared by all that name the same directory

std::string lock_path(const std::string& directory, int lock);
support::Kind kind_of(int lock);
shmutex_t* open_lock(Board& board, const std::string& directory, int lock);

bool ended_well(int status);  // as waitpid(2) has it

// Never returns before board.stop is set, unless killed. `steadily`: without threads, forks and exec.
int hammer(const std::string& directory, uint64_t seed, bool steadily);

}  // namespace crash
