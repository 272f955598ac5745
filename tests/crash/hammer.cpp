#include "hammer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>
#include <thread>
#include <vector>

#include "support/support.h"

namespace crash {
namespace {

constexpr uint64_t factor = 0x9e37'79b9'7f4a'7c15;

enum Operation { open_it = 1, acquire_it, declare_it, release_it };

class Worker {
 public:
  Worker(Board& board, shmutex_t* const* locks, uint64_t seed) : board_(board), locks_(locks), random_(seed) {
    claim_slot();
  }

  // A few rounds, or until the end.
  void work(uint64_t rounds) {
    for (uint64_t i = 0; i < rounds && !board_.stop; ++i) {
      const int lock = static_cast<int>(below(lock_count));
      use(lock, below(5) == 0);
    }
  }

  // Acquires, and ends without releasing: the caller's thread or process ends next, or becomes another program.
  void leave_one_held() {
    const int lock = static_cast<int>(below(lock_count));
    if (!enter(lock)) return;
    ++guarded(lock).deaths_possible;
    guarded(lock).number += 1;  // half done
    slot_->phase[lock] = Phase::outside;
  }

  bool one_in(uint64_t n) { return below(n) == 0; }
  uint64_t number() { return random_(); }

 private:
  Guarded& guarded(int lock) { return board_.guarded[lock]; }
  uint64_t below(uint64_t limit) { return random_() % limit; }

  void claim_slot() {
    slot_ = &board_.slots[board_.next_slot++ % slot_count];
    for (int lock = 0; lock < lock_count; ++lock) {
      slot_->phase[lock] = Phase::outside;
      slot_->since[lock] = 0;
    }
    slot_->tid = static_cast<int>(syscall(SYS_gettid));
    slot_->pid = getpid();
  }

  void failed(int result, Operation operation) {
    if (board_.failed++ != 0) return;
    board_.first_failure = result;
    board_.first_failed_operation = operation;
  }

  int acquire(int lock) {
    shmutex_t* const mutex = locks_[lock];
    switch (below(10)) {
      case 0: return shmutex_trylock(mutex);
      case 1: return shmutex_timedlock(mutex, static_cast<int64_t>(below(3'000'000)));
      case 2: return shmutex_acquire(mutex, 200 * support::millisecond, SHMUTEX_INTERRUPTIBLE);
      default: return shmutex_lock(mutex);
    }
  }

  bool enter(int lock) {
    Guarded& data = guarded(lock);
    slot_->since[lock] = support::now_ns();
    slot_->phase[lock] = Phase::on_the_way;
    const int result = acquire(lock);
    slot_->since[lock] = 0;
    if (result != 0 && result != EOWNERDEAD) {
      slot_->phase[lock] = Phase::outside;
      if (result != EBUSY && result != ETIMEDOUT && result != EINTR) failed(result, acquire_it);
      return false;
    }
    if (result == EOWNERDEAD) {
      ++data.deaths_told;
    } else if (data.entered != 0 || data.shadow != data.number * factor) {
      ++board_.missed;
    }
    data.entered = slot_->tid.load();
    slot_->phase[lock] = Phase::inside;
    ++data.acquired;
    if (result == EOWNERDEAD) {
      data.shadow = data.number * factor;
      if (!one_in(10)) {
        if (const int error = shmutex_consistent(locks_[lock]); error != 0) failed(error, declare_it);
      } else {
        ++data.deaths_possible;  // the next owner hears of it again
      }
    }
    return true;
  }

  void leave(int lock) {
    guarded(lock).entered = 0;
    slot_->phase[lock] = Phase::on_the_way;
    if (const int error = shmutex_unlock(locks_[lock]); error != 0) failed(error, release_it);
    slot_->phase[lock] = Phase::outside;
  }

  void change(int lock) {
    Guarded& data = guarded(lock);
    const uint64_t next = data.number + 1;
    data.number = next;
    for (uint64_t pause = below(200); pause > 0; --pause) std::atomic_signal_fence(std::memory_order_seq_cst);
    data.shadow = next * factor;
  }

  void use(int lock, bool nested) {
    if (!enter(lock)) return;
    change(lock);
    if (nested && lock + 1 < lock_count) use(lock + 1, one_in(2));  // in one order: no cycles
    if ((kind_of(lock).attributes & SHMUTEX_RECURSIVE) != 0 && one_in(2)) {
      if (shmutex_lock(locks_[lock]) == 0) {
        change(lock);
        if (const int error = shmutex_unlock(locks_[lock]); error != 0) failed(error, release_it);
      }
    }
    change(lock);
    leave(lock);
  }

  Board& board_;
  shmutex_t* const* locks_;
  std::mt19937_64 random_;
  Slot* slot_ = nullptr;
};

// A child with its parent's handles. It dies with its parent, or by itself, now and then holding a lock.
void fork_one(Board& board, shmutex_t* const* locks, uint64_t seed) {
  ++board.forks;
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(0);
    Worker child(board, locks, seed);
    child.work(50);
    if (child.one_in(3)) child.leave_one_held();
    _exit(0);
  }
  int status = 0;
  while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!ended_well(status)) ++board.crashed;
}

void exec_again(const std::string& directory, uint64_t seed) {
  const std::string number = std::to_string(seed);
  execl("/proc/self/exe", "random_killer", "--worker", directory.c_str(), number.c_str(), nullptr);
}

}  // namespace

Board* map_board(const std::string& directory) {
  const int fd = ::open((directory + "/board").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate(fd, sizeof(Board)) != 0) return nullptr;
  void* const memory = mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  return memory == MAP_FAILED ? nullptr : static_cast<Board*>(memory);
}

std::string lock_path(const std::string& directory, int lock) { return directory + "/lock-" + std::to_string(lock); }

support::Kind kind_of(int lock) {
  using namespace support;
  constexpr Kind kinds[lock_count] = {plain,          plain, recursive,        fair,
                                      fair_recursive, plain, in_buffer(plain), in_buffer(plain)};
  return kinds[lock];
}

shmutex_t* open_lock(Board& board, const std::string& directory, int lock) {
  shmutex_t* mutex = nullptr;
  int error = 0;
  if (kind_of(lock).in_buffer) {
    unsigned char* const memory = board.buffers[lock - (lock_count - 2)].bytes;
    error = shmutex_attach(&mutex, memory, SHMUTEX_SIZE, kind_of(lock).attributes | SHMUTEX_INIT_ONCE);
  } else {
    error = shmutex_open(&mutex, lock_path(directory, lock).c_str(), kind_of(lock).attributes, 0);
  }
  if (error != 0 && board.failed++ == 0) {
    board.first_failure = error;
    board.first_failed_operation = open_it;
  }
  return mutex;
}

bool ended_well(int status) {
  return WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int hammer(const std::string& directory, uint64_t seed, bool steadily) {
  Board* const board = map_board(directory);
  if (board == nullptr) return 1;
  shmutex_t* locks[lock_count];
  for (int lock = 0; lock < lock_count; ++lock) {
    locks[lock] = open_lock(*board, directory, lock);
    if (locks[lock] == nullptr) return 1;
  }
  Worker worker(*board, locks, seed);
  while (!board->stop) {
    worker.work(100 + worker.number() % 400);
    if (steadily) continue;
    const uint64_t chance = worker.number() % 30;
    if (chance < 3 && !board->no_forks) fork_one(*board, locks, worker.number());
    if (chance == 3) {
      ++board->execs;
      worker.leave_one_held();
      exec_again(directory, worker.number());
    }
    if (chance > 3 && chance < 8) {
      board->threads += 2;
      const auto body = [&](uint64_t thread_seed) {
        Worker thread(*board, locks, thread_seed);
        thread.work(500);
        if (thread.one_in(2)) thread.leave_one_held();
      };
      std::vector<std::thread> threads;
      for (int i = 0; i < 2; ++i) threads.emplace_back(body, worker.number());
      worker.work(500);
      for (std::thread& thread : threads) thread.join();
    }
  }
  return 0;
}

}  // namespace crash
