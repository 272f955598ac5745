// Forked processes that begin together.
#pragma once

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <utility>
#include <vector>

#include "support/system.h"

namespace bench {

// A child that runs body(), then ends; and that dies with its parent.
template <class Body>
pid_t fork_child(Body&& body) {
  const pid_t child = fork();
  if (child < 0) die("fork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    body();
    _exit(0);
  }
  return child;
}

// How a group of processes is started and stopped; in memory that they share.
struct Gate {
  alignas(64) std::atomic<int> ready{0};
  alignas(64) std::atomic<bool> stop{false};
};

class Workers {
 public:
  // Forks `count` processes that run body(index) once release() was called. Returns when all are ready.
  template <class Body>
  Workers(int count, Gate& gate, Body&& body) {
    int ends[2];
    if (pipe(ends) != 0) die("pipe");
    start_ = ends[1];
    for (int i = 0; i < count; ++i) {
      children_.push_back(fork_child([&] {
        close(ends[1]);
        gate.ready.fetch_add(1);
        char nothing;
        if (read(ends[0], &nothing, 1) != 0) _exit(1);  // 0: the parent closed its end
        body(i);
      }));
    }
    close(ends[0]);
    while (gate.ready.load() != count) usleep(100);
    usleep(200);  // the last one reaches its read()
  }
  ~Workers() { wait(); }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  void release() { close(start_); }

  void wait() {
    for (const pid_t child : std::exchange(children_, {})) {
      int status = 0;
      if (waitpid(child, &status, 0) != child) die("waitpid");
      if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) check(ECHILD, "a worker failed");
    }
  }

 private:
  int start_ = -1;
  std::vector<pid_t> children_;
};

}  // namespace bench
