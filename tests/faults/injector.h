// Lets chosen system calls of the calling thread fail, without touching the library under test: a seccomp filter hands
// them to a supervising thread (seccomp_unotify(2)), which lets them pass or answers in the kernel's place.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

class Injector {
 public:
  struct Answer {
    bool inject;
    int error;  // errno value; 0: return `value`
    int64_t value;
  };

  // From here on the given system calls of the calling thread are supervised, for as long as it lives.
  explicit Injector(const std::vector<int>& numbers);

  // Arms: the k-th call from now (1 is the next) fails with `error`. 0: none does.
  void fail_nth(int k, int error);
  // Arms: just before the k-th call from now, which is not touched, `action` runs in the supervising thread.
  void run_before_nth(int k, std::function<void()> action);
  // Arms: every call of `number` whose second argument, masked, is `operation` gets this answer, `times` times.
  void answer(int number, uint64_t operation_mask, uint64_t operation, int error, int64_t value, int times);
  void disarm();

  int seen() const { return state_.seen.load(); }                    // since armed
  int injected() const { return state_.injected.load(); }            // since armed
  int last_injected() const { return state_.last_injected.load(); }  // which system call

 private:
  // Is never freed, as the filter is not: the supervising thread goes on when the Injector is gone.
  struct State {
    void supervise();
    Answer judge(int call, const uint64_t* arguments);

    std::atomic<int> seen{0}, injected{0}, last_injected{0};
    std::atomic<int> nth{0}, error{0};
    std::function<void()> action;  // instead of an error, before the nth; written while nothing is armed
    std::atomic<int> number{-1}, times{0};
    std::atomic<uint64_t> mask{0}, operation{0};
    std::atomic<int64_t> value{0};
    std::atomic<int> listener{-1};
  };
  State& state_;
};
