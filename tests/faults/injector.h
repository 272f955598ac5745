// Lets chosen system calls of the calling thread fail, without touching the library under test: a seccomp filter hands
// them to a supervising thread (seccomp_unotify(2)), which lets them pass or answers in the kernel's place.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

class Injector {
 public:
  // What to answer to a call; nullopt-like: pass.
  struct Answer {
    bool inject;
    int error;    // errno value; 0: return `value`
    int64_t value;
  };
  struct Call {
    int number;
    const uint64_t* arguments;
  };

  // From here on the given system calls of the calling thread are supervised, for as long as it lives.
  explicit Injector(const std::vector<int>& numbers);

  // Arms: the k-th call from now (1 is the next) fails with `error`. 0: none does.
  void fail_nth(int k, int error);
  // Arms: every call of `number` whose second argument, masked, is `operation` gets this answer, `times` times.
  void answer(int number, uint64_t operation_mask, uint64_t operation, int error, int64_t value, int times);
  void disarm();

  int seen() const { return seen_.load(); }          // since armed
  int injected() const { return injected_.load(); }  // since armed
  int last_injected() const { return last_injected_.load(); }  // which system call

 private:
  void supervise();
  Answer judge(int number, const uint64_t* arguments);

  std::atomic<int> seen_{0}, injected_{0}, last_injected_{0};
  std::atomic<int> nth_{0}, error_{0};
  std::atomic<int> number_{-1}, times_{0};
  std::atomic<uint64_t> mask_{0}, operation_{0};
  std::atomic<int64_t> value_{0};
  std::atomic<int> listener_{-1};
  std::thread supervisor_;
};
