#include "injector.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>

namespace {

[[noreturn]] void die(const char* what) {
  perror(what);
  _exit(70);
}

sock_filter statement(unsigned code, unsigned k) { return sock_filter{static_cast<__u16>(code), 0, 0, k}; }

sock_filter jump_if_equal(unsigned k, unsigned char yes, unsigned char no) {
  return sock_filter{BPF_JMP | BPF_JEQ | BPF_K, yes, no, k};
}

int install(const std::vector<int>& numbers) {
  std::vector<sock_filter> program;
  program.push_back(statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  for (size_t i = 0; i < numbers.size(); ++i) {
    program.push_back(jump_if_equal(static_cast<unsigned>(numbers[i]), static_cast<unsigned char>(numbers.size() - i), 0));
  }
  program.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  program.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) die("PR_SET_NO_NEW_PRIVS");
  const long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter);
  if (fd < 0) die("seccomp");
  return static_cast<int>(fd);
}

}  // namespace

Injector::Injector(const std::vector<int>& numbers) {
  supervisor_ = std::thread([this] { supervise(); });  // before the filter, which it must not have
  listener_.store(install(numbers));
  supervisor_.detach();
}

void Injector::supervise() {
  while (listener_.load() < 0) std::this_thread::yield();
  for (;;) {
    seccomp_notif request{};
    if (ioctl(listener_.load(), SECCOMP_IOCTL_NOTIF_RECV, &request) != 0) {
      if (errno == EINTR || errno == ENOENT) continue;
      die("SECCOMP_IOCTL_NOTIF_RECV");
    }
    uint64_t arguments[6];
    for (int i = 0; i < 6; ++i) arguments[i] = request.data.args[i];
    const Answer answer = judge(request.data.nr, arguments);
    seccomp_notif_resp response{};
    response.id = request.id;
    if (answer.inject) {
      response.error = -answer.error;
      response.val = answer.error != 0 ? 0 : answer.value;
    } else {
      response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    }
    ioctl(listener_.load(), SECCOMP_IOCTL_NOTIF_SEND, &response);  // fails if a signal ended the call: no matter
  }
}

Injector::Answer Injector::judge(int number, const uint64_t* arguments) {
  bool inject = false;
  if (nth_.load() != 0) inject = seen_.fetch_add(1) + 1 == nth_.load();
  if (number == number_.load() && (arguments[1] & mask_.load()) == operation_.load() && times_.load() > 0) {
    times_.fetch_sub(1);
    inject = true;
  }
  if (inject) {
    injected_.fetch_add(1);
    last_injected_.store(number);
  }
  return {inject, error_.load(), value_.load()};
}

void Injector::disarm() {
  nth_.store(0);
  number_.store(-1);
  times_.store(0);
}

void Injector::fail_nth(int k, int error) {
  disarm();
  seen_.store(0);
  injected_.store(0);
  error_.store(error);
  nth_.store(k);
}

void Injector::answer(int number, uint64_t operation_mask, uint64_t operation, int error, int64_t value, int times) {
  disarm();
  injected_.store(0);
  error_.store(error);
  value_.store(value);
  mask_.store(operation_mask);
  operation_.store(operation);
  times_.store(times);
  number_.store(number);
}
