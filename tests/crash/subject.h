// The lock under test, seen by every process that takes part: ours in a file or a buffer, or glibc's robust mutex.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "support/kind.h"

namespace crash {

using support::Kind;

// What stands in the lock, read from outside.
struct View {
  bool exists = false;
  uint32_t owner = 0;
  bool owner_died = false;  // the next owner is due to hear it
  bool poisoned = false;
  bool retired = false;
  bool complete = false;  // its header says that it may be used
  uint64_t token = 0;

  bool is_free() const { return owner == 0; }
};

std::string to_string(const View& view);

class Subject {
 public:
  virtual ~Subject() = default;

  // For the processes that take part; open() once in each. Results are error numbers.
  virtual int open() = 0;
  virtual int lock() = 0;
  virtual int trylock() = 0;
  virtual int timedlock(int64_t timeout_ns) = 0;
  virtual int unlock() = 0;
  virtual int consistent() = 0;
  virtual int poison() = 0;
  virtual int close() = 0;
  virtual int remove() = 0;      // shmutex_unlink(), shmutex_destroy()
  virtual int create() = 0;      // open() where there is nothing yet: shmutex_open(), SHMUTEX_INIT_ONCE
  virtual int initialise() = 0;  // shmutex_init()
  virtual uint64_t token() = 0;

  // For the supervisor.
  virtual void forget() = 0;  // back to nothing: no file, zeroed memory
  virtual View look() = 0;
  virtual std::string bytes() = 0;  // all that processes share
  virtual std::string inspect() const = 0;
};

std::unique_ptr<Subject> make_subject(Kind kind, const std::string& path);
std::unique_ptr<Subject> make_glibc_subject();

}  // namespace crash
