// A peer maps the lock file and writes whatever it likes while victims work. Nobody promises them mutual exclusion then.
// Promised, and asserted: no victim crashes or hangs, and when one dies, its other locks are released all the same.
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <shmutex/shmutex.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <thread>

#include "attack.h"
#include "support/support.h"

namespace {

using support::Child;

constexpr int victims = 3;
constexpr int threads = 3;  // of each victim

// How long each attack lasts; `./dev prove` sets it.
int64_t seconds_of_attack() {
  const char* const set = getenv("SHMUTEX_HOSTILE_SECONDS");
  return set == nullptr ? 1 : std::max(1L, strtol(set, nullptr, 10));
}

struct Board {
  std::atomic<bool> stop;
  std::array<std::atomic<uint64_t>, victims * threads> calls;
  std::array<std::atomic<uint32_t>, victims * threads> tids;
  std::atomic<uint64_t> scribbled;
  std::array<support::Flag, victims> settled;
  std::array<pthread_mutex_t, victims> robust;
};

uint32_t gettid_now() { return static_cast<uint32_t>(syscall(SYS_gettid)); }

void* map_page(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  void* const page = mmap(nullptr, attack::page_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  return page;
}

// One thread of a victim: all calls, with time-outs, for ever. It exits the process if a call that must not fail does.
void suffer(shmutex_t* attacked, const std::string& path, Board& board, size_t index) {
  attack::Random random(index * 7919 + 1);
  board.tids[index].store(gettid_now());
  while (!board.stop.load()) {
    int result = 0;
    switch (random() % 4) {
      case 0: result = shmutex_trylock(attacked); break;
      case 1: result = shmutex_timedlock(attacked, static_cast<int64_t>(random() % 3'000'000)); break;
      case 2: result = shmutex_acquire(attacked, static_cast<int64_t>(random() % 3'000'000), SHMUTEX_INTERRUPTIBLE); break;
      default: result = shmutex_timedlock(attacked, 0); break;
    }
    shmutex_info_t info{};
    info.size = sizeof info;
    switch (random() % 16) {
      case 0: shmutex_info(attacked, &info); break;
      case 1: shmutex_inspect(path.c_str(), &info); break;
      case 2: shmutex_token(attacked); break;
      case 3: shmutex_error_detail(); break;
      case 4: shmutex_consistent(attacked); break;
      case 5: {
        shmutex_t* again = nullptr;
        if (shmutex_open(&again, path.c_str(), SHMUTEX_ANY_ATTR, 0) == 0) shmutex_close(again);
        break;
      }
      default: break;
    }
    if (result == 0 || result == EOWNERDEAD) {
      if (random() % 4 == 0) std::this_thread::yield();
      shmutex_unlock(attacked);
    }
    board.calls[index].fetch_add(1);
  }
}

// Holds two locks that nobody attacks, and works on the one that is attacked until it is told to end, or killed.
int be_a_victim(const std::string& attacked_path, const std::string& own_path, unsigned attributes, Board& board, int id) {
  shmutex_t* attacked = nullptr;
  shmutex_t* own = nullptr;
  shmutex_t* own_later = nullptr;
  if (shmutex_open(&attacked, attacked_path.c_str(), attributes, 0) != 0) return 10;
  if (shmutex_open(&own, own_path.c_str(), 0, 0) != 0 || shmutex_lock(own) != 0) return 11;
  const std::string later = own_path + ".later";
  if (shmutex_open(&own_later, later.c_str(), 0, 0) != 0) return 12;
  if (pthread_mutex_lock(&board.robust[static_cast<size_t>(id)]) != 0) return 13;
  board.settled[static_cast<size_t>(id)].raise();
  std::vector<std::thread> others;
  const auto first = static_cast<size_t>(id) * threads;
  for (size_t i = 1; i < threads; ++i) others.emplace_back(suffer, attacked, attacked_path, std::ref(board), first + i);
  // Taken while the attacked one may be held or half held in the list below it.
  shmutex_trylock(attacked);
  if (shmutex_lock(own_later) != 0) return 14;
  suffer(attacked, attacked_path, board, first);
  for (std::thread& other : others) other.join();
  return 42;  // without releasing anything: an exit is a death, too
}

void make_robust(pthread_mutex_t& mutex) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
}

int lock_within_seconds(pthread_mutex_t& mutex) {
  timespec limit{};
  clock_gettime(CLOCK_REALTIME, &limit);
  limit.tv_sec += 20;
  return pthread_mutex_timedlock(&mutex, &limit);
}

struct Case {
  attack::Strategy strategy;
  unsigned attributes;
};

class HostilePeer : public testing::TestWithParam<Case> {};

TEST_P(HostilePeer, HarmsNobody) {
  const Case& c = GetParam();
  support::TempDir dir;
  support::Shared<Board> board;
  for (pthread_mutex_t& mutex : board->robust) make_robust(mutex);
  const std::string path = dir / "attacked";
  const std::string other_path = dir / "other";
  shmutex_t* first = nullptr;
  ASSERT_EQ(0, shmutex_open(&first, path.c_str(), c.attributes, 0));
  shmutex_t* other = nullptr;
  ASSERT_EQ(0, shmutex_open(&other, other_path.c_str(), 0, 0));

  std::vector<std::unique_ptr<Child>> living;
  for (int id = 0; id < victims; ++id) {
    living.push_back(std::make_unique<Child>(
        [&, id] { return be_a_victim(path, dir / ("own" + std::to_string(id)), c.attributes, *board, id); }));
  }
  for (const support::Flag& flag : board->settled) flag.wait();

  Child peer([&] {
    attack::Target target{static_cast<unsigned char*>(map_page(path)), static_cast<unsigned char*>(map_page(other_path)),
                          {gettid_now()}};
    attack::Random random(4711);
    while (!board->stop.load()) {
      for (const auto& tid : board->tids) {
        if (target.tids.size() < 64) target.tids.push_back(tid.load());
      }
      for (int i = 0; i < 1000; ++i) {
        board->scribbled.fetch_add(c.strategy.write(target, random));
        if (random() % 64 == 0) std::this_thread::yield();
      }
    }
    return 0;
  });

  // Everybody makes progress under attack: each thread of each victim comes back from its calls again and again.
  const int64_t end = support::now_ns() + seconds_of_attack() * support::second;
  std::array<uint64_t, victims * threads> before{};
  do {
    for (size_t i = 0; i < before.size(); ++i) before[i] = board->calls[i].load();
    for (size_t i = 0; i < before.size(); ++i) {
      support::wait_until([&] {
        for (const auto& victim : living) {
          if (support::thread_state(victim->pid()) == 'Z') return true;
        }
        return board->calls[i].load() > before[i];
      });
    }
  } while (support::now_ns() < end);

  // One is killed under attack, the others exit holding what they hold.
  EXPECT_EQ(1000 + SIGKILL, living[0]->kill_and_wait());
  board->stop.store(true);
  EXPECT_EQ(42, living[1]->wait()) << "a victim crashed";
  EXPECT_EQ(42, living[2]->wait()) << "a victim crashed";
  EXPECT_EQ(0, peer.wait());

  uint64_t calls = 0;
  for (const auto& n : board->calls) calls += n.load();
  printf("%s: %llu bytes scribbled, %llu calls by victims\n", c.strategy.name,
         static_cast<unsigned long long>(board->scribbled.load()), static_cast<unsigned long long>(calls));

  for (int id = 0; id < victims; ++id) {
    for (const char* suffix : {"", ".later"}) {
      shmutex_t* own = nullptr;
      ASSERT_EQ(0, shmutex_open(&own, (dir / ("own" + std::to_string(id) + suffix)).c_str(), 0, 0));
      EXPECT_EQ(EOWNERDEAD, shmutex_timedlock(own, 0)) << "victim " << id << "'s other lock was not released: " << suffix;
      shmutex_unlock(own);
      shmutex_close(own);
    }
    EXPECT_EQ(EOWNERDEAD, lock_within_seconds(board->robust[static_cast<size_t>(id)])) << "nor libc's";
  }
  shmutex_close(first);
  shmutex_close(other);
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const attack::Strategy& strategy : attack::strategies) {
    for (const unsigned attributes : {0u, unsigned{SHMUTEX_FAIR}, unsigned{SHMUTEX_RECURSIVE}}) {
      cases.push_back({strategy, attributes});
    }
  }
  return cases;
}

std::string name_of(const testing::TestParamInfo<Case>& info) {
  std::string name = info.param.strategy.name;
  std::erase_if(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; });
  return name + (info.param.attributes == SHMUTEX_FAIR ? "_fair" : info.param.attributes != 0 ? "_recursive" : "_plain");
}

INSTANTIATE_TEST_SUITE_P(Attacks, HostilePeer, testing::ValuesIn(all_cases()), name_of);

}  // namespace
