#include "victims.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <initializer_list>
#include <random>
#include <thread>
#include <vector>

namespace victims {
namespace {

using support::Child;
using Random = std::mt19937_64;

// Ends the process if a call returned what its documentation does not list.
void expect(const char* call, int result, std::initializer_list<int> documented) {
  if (std::find(documented.begin(), documented.end(), result) != documented.end()) return;
  fprintf(stderr, "process %d: %s returned %d: %s\n", getpid(), call, result, shmutex_error_detail());
  _exit(9);
}

void expect_acquired_or_why_not(const char* call, int result) {
  expect(call, result, {0, EOWNERDEAD, ETIMEDOUT, EDEADLK, EAGAIN, ENOTRECOVERABLE, EIDRM});
}

uintptr_t robust_list_head() {
  void* head = nullptr;
  size_t size = 0;
  syscall(SYS_get_robust_list, 0, &head, &size);
  return reinterpret_cast<uintptr_t>(head);
}

// Mostly short. Now and then long enough for a look whether the owner lives.
int64_t some_timeout(Random& random) {
  return static_cast<int64_t>(random() % 256 == 0 ? 80'000'000 : random() % 3'000'000);
}

int acquire_somehow(shmutex_t* attacked, Worker& me, Random& random) {
  const int64_t timeout = some_timeout(random);
  const uint64_t kind = random() % 4;
  me.deadline.store(support::now_ns() + (kind < 2 ? 0 : timeout));
  int result = 0;
  switch (kind) {
    case 0:
      result = shmutex_trylock(attacked);
      expect("trylock", result, {0, EOWNERDEAD, EBUSY, EAGAIN, ENOTRECOVERABLE, EIDRM});
      break;
    case 1:
      result = shmutex_timedlock(attacked, 0);
      expect_acquired_or_why_not("timedlock of no time", result);
      break;
    case 2:
      result = shmutex_timedlock(attacked, timeout);
      expect_acquired_or_why_not("timedlock", result);
      break;
    default:
      result = shmutex_acquire(attacked, timeout, SHMUTEX_INTERRUPTIBLE);
      if (result != EINTR) expect_acquired_or_why_not("acquire", result);
      break;
  }
  const int64_t late = support::now_ns() - me.deadline.load();
  if (late > me.longest_late.load()) me.longest_late.store(late);
  return result;
}

void query_something(shmutex_t* attacked, const Case& c, Random& random) {
  shmutex_info_t info{};
  info.size = sizeof info;
  switch (random() % 16) {
    case 0: expect("info", shmutex_info(attacked, &info), {0}); break;
    case 1: expect("inspect", shmutex_inspect(c.attacked.c_str(), &info), {0, EBADMSG, EPROTONOSUPPORT, ENOENT}); break;
    case 2: shmutex_token(attacked); break;
    case 3: shmutex_error_detail(); break;
    // EIDRM: held, and removed: only a liar can make it so.
    case 4: expect("consistent", shmutex_consistent(attacked), {0, EPERM, EINVAL, ENOTRECOVERABLE, EIDRM}); break;
    case 5: {
      shmutex_t* again = nullptr;
      const int result = shmutex_open(&again, c.attacked.c_str(), SHMUTEX_ANY_ATTR, 0);
      expect("a second open", result, {0, EBADMSG, EPROTONOSUPPORT, EXDEV, EBUSY});
      if (result == 0) expect("close of the second", shmutex_close(again), {0, EBUSY});
      break;
    }
    default: break;
  }
}

// One thread: all calls, with time-outs, until it is told to stop.
void suffer(shmutex_t* attacked, const Case& c, Board& board, size_t index) {
  Worker& me = board.workers[index];
  me.tid.store(static_cast<uint32_t>(syscall(SYS_gettid)));
  me.list_head.store(robust_list_head());
  Random random(index * 7919 + me.tid.load());
  while (!board.stop.load()) {
    const int result = acquire_somehow(attacked, me, random);
    query_something(attacked, c, random);
    if (result == 0 || result == EOWNERDEAD) {
      if (random() % 4 == 0) std::this_thread::yield();
      expect("unlock", shmutex_unlock(attacked), {0, EPERM});
    }
    me.calls.fetch_add(1);
  }
}

int suffer_with(shmutex_t* attacked, const Case& c, Board& board, size_t id, AtTheEnd end) {
  const std::string path = c.own + std::to_string(id);
  const std::string later_path = path + ".later";
  shmutex_t* own = nullptr;
  shmutex_t* later = nullptr;
  board.handles[id].store(reinterpret_cast<uintptr_t>(attacked));
  if (shmutex_open(&own, path.c_str(), 0, 0) != 0 || shmutex_lock(own) != 0) return 11;
  if (shmutex_open(&later, later_path.c_str(), 0, 0) != 0) return 12;
  if (pthread_mutex_lock(&board.robust[id]) != 0) return 13;
  // Taken while the attacked one may be in the list below it.
  const int held = shmutex_trylock(attacked);
  if (shmutex_lock(later) != 0) return 14;
  if (held == 0 || held == EOWNERDEAD) expect("unlock", shmutex_unlock(attacked), {0, EPERM});
  board.ready[id].raise();
  std::vector<std::thread> others;
  for (size_t i = 1; i < threads; ++i) {
    others.emplace_back(suffer, attacked, std::cref(c), std::ref(board), id * threads + i);
  }
  suffer(attacked, c, board, id * threads);
  for (std::thread& other : others) other.join();
  if (end == AtTheEnd::close) expect("close of the last handle", shmutex_close(attacked), {0});
  return unharmed;  // without releasing the others: an exit is a death, too
}

// The whole life of a process under attack. 0: was let in. 1: was refused.
int open_use_close(const Case& c, bool any_attributes) {
  shmutex_t* m = nullptr;
  const int opened =
      shmutex_open(&m, c.attacked.c_str(), any_attributes ? unsigned{SHMUTEX_ANY_ATTR} : c.attributes, 0);
  if (!any_attributes && opened == EPROTOTYPE) return 1;
  expect("open", opened, {0, EBADMSG, EPROTONOSUPPORT, EXDEV, EBUSY});
  if (opened != 0) return 1;
  const int locked = shmutex_timedlock(m, 2'000'000);
  expect_acquired_or_why_not("timedlock", locked);
  if (locked == 0 || locked == EOWNERDEAD) expect("unlock", shmutex_unlock(m), {0, EPERM});
  expect("close of the last handle", shmutex_close(m), {0});
  return 0;
}

bool complain(size_t id, const char* what, int result) {
  fprintf(stderr, "victim %zu is dead, and its %s says %d instead of EOWNERDEAD\n", id, what, result);
  return false;
}

void wait_a_little(Random& random) { usleep(static_cast<useconds_t>(random() % 3000)); }

}  // namespace

Board::Board() {
  for (pthread_mutex_t& mutex : robust) support::make_robust(mutex);
}

int be_a_victim(const Case& c, Board& board, size_t id, AtTheEnd end) {
  shmutex_t* attacked = nullptr;
  if (shmutex_open(&attacked, c.attacked.c_str(), c.attributes, 0) != 0) return 10;
  return suffer_with(attacked, c, board, id, end);
}

int kill_the_first(const Case& c, Board& board) {
  // Opened before the attack, for all of them: a forked child has valid handles.
  shmutex_t* attacked = nullptr;
  if (shmutex_open(&attacked, c.attacked.c_str(), c.attributes, 0) != 0) return 10;
  Random random(4242);
  while (!board.stop.load()) {
    std::array<uint64_t, threads> before{};
    for (size_t i = 0; i < threads; ++i) before[i] = board.workers[i].calls.load();
    Child victim([&] { return suffer_with(attacked, c, board, 0, AtTheEnd::just_exit); });
    support::wait_until([&] {
      if (support::thread_state(victim.pid()) == 'Z') return true;
      for (size_t i = 0; i < threads; ++i) {
        if (board.workers[i].calls.load() == before[i]) return false;
      }
      return true;
    });
    wait_a_little(random);
    const int status = victim.kill_and_wait();
    if (status != 1000 + SIGKILL && !(status == unharmed && board.stop.load())) return status;
    board.kills.fetch_add(1);
    if (!others_were_released(c, board, 0)) return 8;
  }
  return unharmed;
}

int keep_opening(const Case& c, Board& board) {
  Random random(99);
  while (!board.stop.load()) {
    const bool to_be_killed = random() % 4 == 0;
    Child opener([&] { return open_use_close(c, random() % 4 != 0); });
    if (to_be_killed) {
      wait_a_little(random);
      opener.signal(SIGKILL);
    }
    const int status = opener.wait();
    if (to_be_killed && status == 1000 + SIGKILL) {
      board.kills.fetch_add(1);
    } else if (status != 0 && status != 1) {
      return status;
    }
    if (status == 0) board.let_in.fetch_add(1);
    board.opens.fetch_add(1);
  }
  return unharmed;
}

bool others_were_released(const Case& c, Board& board, size_t id) {
  for (const char* suffix : {"", ".later"}) {
    shmutex_t* own = nullptr;
    const std::string path = c.own + std::to_string(id) + suffix;
    if (const int error = shmutex_open(&own, path.c_str(), 0, 0); error != 0) return complain(id, "lock's open", error);
    if (const int error = shmutex_timedlock(own, 0); error != EOWNERDEAD) return complain(id, path.c_str(), error);
    if (shmutex_consistent(own) != 0 || shmutex_unlock(own) != 0 || shmutex_close(own) != 0) return false;
  }
  if (const int error = pthread_mutex_trylock(&board.robust[id]); error != EOWNERDEAD) {
    return complain(id, "robust mutex of libc's", error);
  }
  return pthread_mutex_consistent(&board.robust[id]) == 0 && pthread_mutex_unlock(&board.robust[id]) == 0;
}

}  // namespace victims
