// Kills a victim after each instruction of an operation in turn, and looks at what becomes of the others.
//
// What the others may be told is decided by what stands in the lock at the moment of the kill, exactly:
//
//   the victim owns the word, or the word says already   the first to acquire hears EOWNERDEAD, no other does. (This
//   that an owner died                                    includes the instructions between taking the word and returning
//                                                         from lock, and those of unlock before its release: nobody else
//                                                         can know whether the victim had touched the data.)
//   anything else                                         nobody hears EOWNERDEAD: the victim never got in, or was out
//   poisoned, retired                                     ENOTRECOVERABLE, EIDRM, for every process from then on
//   incomplete: memory half initialised, half destroyed   EBADMSG, until it is initialised again
//   stale, taken over or not                              the first to acquire hears EOWNERDEAD: in this test an owner
//                                                         died in the namespace that is gone
//
// open, INIT_ONCE, unlink and destroy hold the word for a moment, too: killed there, they leave EOWNERDEAD, once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "scenario.h"

namespace crash {

struct Tally {
  uint64_t points = 0;     // different instructions that it was killed at, its sleep counting as one
  uint64_t of_points = 0;  // kill points that there are
  uint64_t kills = 0;
  uint64_t stuck = 0;                 // a process sleeps for good, or all hang
  uint64_t wrong = 0;                 // a process was told what is not so, something was left behind
  std::vector<std::string> findings;  // the first few, in words
};

struct Thoroughness {
  // Every instruction. Otherwise those before which something changed that anybody can see after the victim's death
  // (the shared memory, its robust list, whatever a system call did), and a sample of the rest.
  bool every_instruction = false;
  int64_t budget_ns = 0;  // for every_instruction: how long at most
};

Tally run(const Scenario& scenario, Thoroughness thoroughness);

}  // namespace crash
