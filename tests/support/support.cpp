#include "support/support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

#ifdef SHMUTEX_COVERAGE
// The linker leads all calls of _exit() here; it would lose the counts.
extern "C" void __gcov_dump();
extern "C" void __gcov_reset();
extern "C" [[noreturn]] void __real__exit(int status);
extern "C" [[noreturn]] void __wrap__exit(int status);
void __wrap__exit(int status) {
  __gcov_dump();
  __real__exit(status);
}
#endif

namespace support {
namespace {

constexpr unsigned seconds_for_one_test = 120;

}  // namespace

void expect_progress() { alarm(seconds_for_one_test); }

int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * second + now.tv_nsec;
}

void sleep_ms(int64_t ms) {
  timespec left{ms / 1000, (ms % 1000) * millisecond};
  while (nanosleep(&left, &left) != 0) {
  }
}

void wait_until(const std::function<bool()>& condition) {
  while (!condition()) {
    const timespec pause{0, 200'000};
    nanosleep(&pause, nullptr);
  }
}

Child::Child(const std::function<int()>& body) {
  fflush(nullptr);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(250);
#ifdef SHMUTEX_COVERAGE
    __gcov_reset();  // the parent writes its counts itself
#endif
    const int status = body();
    fflush(nullptr);
    _exit(status);
  }
}

Child::~Child() {
  if (pid_ > 0) kill_and_wait();
}

void Child::signal(int number) const {
  if (pid_ <= 0) throw std::logic_error("no such child");
  ::kill(pid_, number);
}

int Child::wait() {
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0) {
  }
  pid_ = -1;
  return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

int Child::kill_and_wait() {
  signal(SIGKILL);
  return wait();
}

char thread_state(pid_t tid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/stat", tid);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char text[512];
  const ssize_t length = read(fd, text, sizeof text - 1);
  close(fd);
  if (length <= 0) return 0;
  text[length] = '\0';
  const char* const name_end = strrchr(text, ')');
  return name_end == nullptr ? '\0' : name_end[2];
}

void wait_until_sleeping_on(pid_t tid) {
  const auto switches = [tid] {
    std::ifstream status("/proc/" + std::to_string(tid) + "/status");
    std::string line;
    std::string found;
    while (std::getline(status, line)) {
      if (line.find("ctxt_switches") != std::string::npos) found += line;
    }
    return found;
  };
  wait_until([&] {
    const std::string before = switches();
    sleep_ms(20);
    return thread_state(tid) == 'S' && switches() == before;
  });
}

bool Child::is_asleep() const { return thread_state(pid_) == 'S'; }

void Child::wait_until_asleep() const {
  wait_until([this] { return is_asleep(); });
}

void make_robust(pthread_mutex_t& mutex) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
}

void StartLine::open_for(unsigned participants) {
  pthread_barrierattr_t attributes;
  pthread_barrierattr_init(&attributes);
  pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_barrier_init(&barrier_, &attributes, participants);
  pthread_barrierattr_destroy(&attributes);
}

TempDir::TempDir(const std::string& parent) {
  path_ = parent + "/shmutex-test-XXXXXX";
  if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error("mkdtemp failed in " + parent);
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace support
