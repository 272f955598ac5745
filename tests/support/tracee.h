// A child that is stopped, with ptrace, at its futex calls: before it falls asleep, or when it was woken and has not
// yet acted on that.
#pragma once

#include <sys/types.h>

#include <functional>

namespace support {

class Tracee {
 public:
  // Runs body() in a child of the calling thread, which alone may use this object.
  explicit Tracee(const std::function<int()>& body);
  ~Tracee();  // kills and reaps
  Tracee(const Tracee&) = delete;
  Tracee& operator=(const Tracee&) = delete;

  pid_t pid() const { return pid_; }

  // Runs until it is about to make a futex call that may sleep, and stops it there.
  void run_until_about_to_sleep();
  // Runs until it is asleep in such a call.
  void run_until_asleep();
  // It was asleep: waits for the end of the call, and leaves it stopped there. What the call returned.
  long wait_for_end_of_sleep();

  // Lets it run to its end, from the delivery of a signal if not 0. Exit status, or 1000 + signal.
  int detach_and_wait(int signal = 0);
  void kill();  // SIGKILL, and reaps

 private:
  enum class Stop { entry, exit };
  void collect_stop();

  pid_t pid_ = -1;
  Stop last_ = Stop::exit;
  bool sleeping_call_ = false;
  long result_ = 0;
};

}  // namespace support
