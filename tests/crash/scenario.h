// What is tried: an operation, of a lock of some kind, in a situation. One row of a table each.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>

#include "subject.h"

namespace crash {

enum class Operation {
  lock,
  trylock,
  timedlock,  // acquires in time
  time_out,   // does not
  unlock,
  consistent,
  poison,
  open,
  close,
  remove,  // shmutex_unlink(), shmutex_destroy()
  initialise
};

// Where the victim stands before the operation.
enum class Start {
  nowhere,      // has not opened the lock
  opened,       // has a handle
  inside,       // holds the lock
  inside_twice  // a recursive one
};

enum class Ground {
  fresh,      // the first to come creates the lock
  existing,   // it is there
  stale,      // it is there, and its PID namespace is gone with an owner inside
  owner_died  // it is there, and its last owner died inside
};

struct Scenario {
  Operation operation = Operation::lock;
  Start start = Start::opened;
  Kind kind = support::plain;
  bool glibc = false;  // its robust mutex, instead of ours
  Ground ground = Ground::fresh;
  // Processes that acquired (the first) or queue (the rest) before the victim begins; each of them holds the lock until
  // the victim sleeps or is dead. So with 1 the victim becomes the woken head waiter, with 2 it is second in line.
  int ahead = 0;
  bool ahead_dies = false;  // the first of them does not release, but is killed: the kernel wakes the victim
  // Processes that want the lock after the victim: asleep before it begins if it holds the lock, else before it dies.
  int behind = 0;
  // A third process takes the lock if it is free just before the victim dies. Other kill points do not count.
  bool barger = false;
  // The victim holds other locks too: ours, plain and fair, and robust ones of glibc's.
  bool others = false;
  // Allowed to spin: more than one processor. Else all processes run on one, and go to sleep at once.
  bool spins = false;
};

std::string name_of(const Scenario& scenario);
inline void PrintTo(const Scenario& scenario, std::ostream* out) { *out << name_of(scenario); }

}  // namespace crash
