#include "injector.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <thread>
#include <utility>

#include "support/seccomp.h"

namespace {

[[noreturn]] void die(const char* what) {
  perror(what);
  _exit(70);
}

int install(const std::vector<int>& numbers) {
  support::SeccompFilter filter;
  for (const int number : numbers) filter.on(number, SECCOMP_RET_USER_NOTIF);
  const int fd = filter.install_with_listener();
  if (fd < 0) die("seccomp");
  return fd;
}

}  // namespace

Injector::Injector(const std::vector<int>& numbers) : state_(*new State) {
  std::thread([&state = state_] { state.supervise(); }).detach();  // before the filter, which it must not have
  state_.listener.store(install(numbers));
}

void Injector::State::supervise() {
  while (listener.load() < 0) std::this_thread::yield();
  for (;;) {
    seccomp_notif request{};
    if (ioctl(listener.load(), SECCOMP_IOCTL_NOTIF_RECV, &request) != 0) {
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
    ioctl(listener.load(), SECCOMP_IOCTL_NOTIF_SEND, &response);  // fails if a signal ended the call: no matter
  }
}

Injector::Answer Injector::State::judge(int call, const uint64_t* arguments) {
  bool inject = false;
  if (nth.load() != 0 && seen.fetch_add(1) + 1 == nth.load()) {
    if (action) {
      action();
      injected.fetch_add(1);
      last_injected.store(call);
    } else {
      inject = true;
    }
  }
  if (call == number.load() && (arguments[1] & mask.load()) == operation.load() && times.load() > 0) {
    times.fetch_sub(1);
    inject = true;
  }
  if (inject) {
    injected.fetch_add(1);
    last_injected.store(call);
  }
  return {inject, error.load(), value.load()};
}

void Injector::disarm() {
  state_.nth.store(0);
  state_.number.store(-1);
  state_.times.store(0);
}

void Injector::fail_nth(int k, int error) {
  disarm();
  state_.seen.store(0);
  state_.injected.store(0);
  state_.error.store(error);
  state_.action = nullptr;
  state_.nth.store(k);
}

void Injector::run_before_nth(int k, std::function<void()> action) {
  disarm();
  state_.seen.store(0);
  state_.injected.store(0);
  state_.action = std::move(action);
  state_.nth.store(k);
}

void Injector::answer(int number, uint64_t operation_mask, uint64_t operation, int error, int64_t value, int times) {
  disarm();
  state_.injected.store(0);
  state_.error.store(error);
  state_.value.store(value);
  state_.mask.store(operation_mask);
  state_.operation.store(operation);
  state_.times.store(times);
  state_.number.store(number);
}
