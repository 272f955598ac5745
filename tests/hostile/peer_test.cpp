// A peer maps the lock file and writes whatever it likes while victims work. Nobody promises them mutual exclusion
// then. Promised, and asserted: no victim crashes or hangs, each call returns what is documented, and when a victim
// dies, its other locks are released all the same.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <shmutex/shmutex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "attack.h"
#include "support/kind.h"
#include "support/support.h"
#include "victims.h"

namespace {

using support::Child;
using victims::Board;
using victims::Worker;

constexpr unsigned watchdog_seconds = 120;              // for a round of progress, as for a whole test elsewhere
constexpr int64_t stuck_after = 100 * support::second;  // reported in full before the watchdog ends it all

// How long each attack lasts; `./dev prove` sets it.
int64_t seconds_of_attack() {
  const char* const set = getenv("SHMUTEX_HOSTILE_SECONDS");
  return set == nullptr ? 1 : std::max(1L, strtol(set, nullptr, 10));
}

std::vector<unsigned char> content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// The page of the file that the path leads to now.
class Page {
 public:
  explicit Page(const std::string& path) {
    const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return;
    struct stat status {};
    fstat(fd, &status);
    inode_ = status.st_ino;
    void* const page = mmap(nullptr, attack::page_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED) bytes_ = static_cast<unsigned char*>(page);
    close(fd);
  }
  ~Page() {
    if (bytes_ != nullptr) munmap(bytes_, attack::page_size);
  }
  Page(const Page&) = delete;
  Page& operator=(const Page&) = delete;
  unsigned char* bytes() const { return bytes_; }
  bool is_at(const std::string& path) const {
    struct stat status {};
    return stat(path.c_str(), &status) == 0 && status.st_ino == inode_;
  }

 private:
  ino_t inode_ = 0;
  unsigned char* bytes_ = nullptr;
};

// A page that nobody may touch, at the same address in every process.
class ForbiddenPage {
 public:
  ForbiddenPage() : page_(mmap(nullptr, attack::page_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {}
  ~ForbiddenPage() { munmap(page_, attack::page_size); }
  ForbiddenPage(const ForbiddenPage&) = delete;
  ForbiddenPage& operator=(const ForbiddenPage&) = delete;
  uintptr_t address() const { return reinterpret_cast<uintptr_t>(page_); }

 private:
  void* page_;
};

// The lock's files as they are before the attack.
struct Images {
  std::vector<unsigned char> pristine;
  std::vector<unsigned char> other;
};

// Where list pointers could lead: heads, handles, and the nodes behind these.
std::vector<uintptr_t> addresses_in(const Board& board, const ForbiddenPage& forbidden) {
  std::vector<uintptr_t> addresses{forbidden.address()};
  for (const Worker& worker : board.workers) addresses.push_back(worker.list_head.load());
  for (const auto& handle : board.handles) {
    constexpr uintptr_t baton_node = 64 + 8;
    constexpr uintptr_t word_node = 64 + 24;
    for (const uintptr_t at : {uintptr_t{0}, baton_node, word_node}) addresses.push_back(handle.load() + at);
  }
  return addresses;
}

// Writes until it is told to stop: into the page that the victims have mapped, and, if an opener believed that this one
// was removed, into its successor too.
int lie(const victims::Case& c, const attack::Strategy& strategy, const Images& images, const ForbiddenPage& forbidden,
        Board& board) {
  const Page mapped(c.attacked);
  auto successor = std::make_unique<Page>(c.attacked);
  attack::Random random(4711);
  attack::Target target{mapped.bytes(), images.pristine.data(), images.other.data(), {}, {}};
  while (!board.stop_peer.load()) {
    target.tids = {static_cast<uint32_t>(gettid())};
    for (const Worker& worker : board.workers) target.tids.push_back(worker.tid.load());
    target.addresses = addresses_in(board, forbidden);
    if (!successor->is_at(c.attacked)) successor = std::make_unique<Page>(c.attacked);
    const bool at_the_successor = random() % 4 == 0 && successor->bytes() != nullptr;
    target.page = at_the_successor ? successor->bytes() : mapped.bytes();
    uint64_t written = 0;
    for (uint64_t i = random() % 1000 + 1; i > 0; --i) written += strategy.write(target, random);
    board.scribbled.fetch_add(written);
    if (random() % 4 == 0) std::this_thread::yield();
  }
  return victims::unharmed;
}

uint32_t word_at(const Page& page, size_t from_the_end) {
  uint32_t value = 0;
  memcpy(&value, page.bytes() + attack::page_size - from_the_end, sizeof value);
  return value;
}

// The state of the lock and of all processes, for a human.
void report(const Page& page, const Board& board) {
  fprintf(stderr, "STUCK. word %08x, state %x, baton %08x; opens %llu, kills %llu\n", word_at(page, 8),
          word_at(page, 4), word_at(page, 24), static_cast<unsigned long long>(board.opens.load()),
          static_cast<unsigned long long>(board.kills.load()));
  for (const Worker& worker : board.workers) {
    const auto tid = static_cast<pid_t>(worker.tid.load());
    std::string in_the_kernel;
    std::ifstream system_call("/proc/" + std::to_string(tid) + "/syscall");
    std::getline(system_call, in_the_kernel);
    const char state = support::thread_state(tid);
    fprintf(stderr, "thread %d: %c, calls %llu, %lld ms after its deadline; system call %s\n", tid,
            state == 0 ? '-' : state, static_cast<unsigned long long>(worker.calls.load()),
            static_cast<long long>((support::now_ns() - worker.deadline.load()) / support::millisecond),
            in_the_kernel.c_str());
  }
}

// What must get on: the threads of the victims that are not killed, the killer, the openers, and the peer itself.
std::vector<const std::atomic<uint64_t>*> counters_of(const Board& board) {
  std::vector<const std::atomic<uint64_t>*> counters{&board.kills, &board.opens, &board.scribbled};
  for (size_t i = victims::threads; i < board.workers.size(); ++i) counters.push_back(&board.workers[i].calls);
  return counters;
}

using Processes = std::vector<const Child*>;

bool one_is_gone(const Processes& processes) {
  return std::any_of(processes.begin(), processes.end(),
                     [](const Child* child) { return support::thread_state(child->pid()) == 'Z'; });
}

// Returns when each counter has moved, or a process is gone that should be there. False: one is stuck.
bool all_move(const Page& page, const Board& board, const Processes& processes) {
  const int64_t limit = support::now_ns() + stuck_after;
  const auto counters = counters_of(board);
  std::vector<uint64_t> before;
  for (const auto* counter : counters) before.push_back(counter->load());
  bool stuck = false;
  for (size_t i = 0; i < counters.size() && !stuck; ++i) {
    support::wait_until([&] {
      stuck = support::now_ns() > limit;
      return counters[i]->load() != before[i] || stuck || one_is_gone(processes);
    });
  }
  if (stuck) report(page, board);
  return !stuck;
}

struct Attack {
  attack::Strategy strategy;
  unsigned attributes;
};

class HostilePeer : public testing::TestWithParam<Attack> {
 protected:
  // In a process of its own: what this one had open, its children would not open again, but inherit.
  static Images made(const victims::Case& c, const std::string& other) {
    Child maker([&] {
      shmutex_t* m = nullptr;
      if (shmutex_open(&m, c.attacked.c_str(), c.attributes, 0) != 0 || shmutex_close(m) != 0) return 1;
      if (shmutex_open(&m, other.c_str(), 0, 0) != 0 || shmutex_lock(m) != 0) return 2;
      return 0;
    });
    EXPECT_EQ(0, maker.wait());
    return {content_of(c.attacked), content_of(other)};
  }
};

TEST_P(HostilePeer, HarmsNobody) {
  const Attack& attack = GetParam();
  const support::TempDir dir;
  const victims::Case c{dir / "attacked", dir / "own", attack.attributes};
  const ForbiddenPage forbidden;
  support::Shared<Board> board;
  const Images images = made(c, dir / "other");
  ASSERT_EQ(attack::page_size, images.pristine.size());
  ASSERT_EQ(attack::page_size, images.other.size());
  const Page page(c.attacked);

  Child closing([&] { return be_a_victim(c, *board, 1, victims::AtTheEnd::close); });
  Child exiting([&] { return be_a_victim(c, *board, 2, victims::AtTheEnd::just_exit); });
  Child killer([&] { return kill_the_first(c, *board); });
  for (const support::Flag& flag : board->ready) {
    support::wait_until([&] { return flag.raised() || one_is_gone({&closing, &exiting, &killer}); });
  }
  Child opener([&] { return keep_opening(c, *board); });
  Child peer([&] { return lie(c, attack.strategy, images, forbidden, *board); });

  const int64_t end = support::now_ns() + seconds_of_attack() * support::second;
  const Processes processes{&closing, &exiting, &killer, &opener, &peer};
  do {
    alarm(watchdog_seconds);
    ASSERT_TRUE(all_move(page, *board, processes));
  } while (support::now_ns() < end && !one_is_gone(processes));
  alarm(watchdog_seconds);

  board->stop.store(true);  // they close and exit under attack
  EXPECT_EQ(victims::unharmed, closing.wait());
  EXPECT_EQ(victims::unharmed, exiting.wait());
  EXPECT_EQ(victims::unharmed, killer.wait());
  EXPECT_EQ(victims::unharmed, opener.wait());
  board->stop_peer.store(true);
  EXPECT_EQ(victims::unharmed, peer.wait());
  for (const size_t id : {size_t{1}, size_t{2}}) EXPECT_TRUE(others_were_released(c, *board, id));

  uint64_t calls = 0;
  int64_t late = 0;
  for (const Worker& worker : board->workers) {
    calls += worker.calls.load();
    late = std::max(late, worker.longest_late.load());
  }
  printf("%s: bytes scribbled %llu, victim calls %llu, kills %llu, opens %llu, let in %llu; at most %lld us late\n",
         attack.strategy.name, static_cast<unsigned long long>(board->scribbled.load()),
         static_cast<unsigned long long>(calls), static_cast<unsigned long long>(board->kills.load()),
         static_cast<unsigned long long>(board->opens.load()), static_cast<unsigned long long>(board->let_in.load()),
         static_cast<long long>(late / 1000));
}

std::vector<Attack> all_attacks() {
  std::vector<Attack> attacks;
  for (const attack::Strategy& strategy : attack::strategies) {
    for (const support::Kind& kind : {support::plain, support::recursive, support::fair}) {
      attacks.push_back({strategy, kind.attributes});
    }
  }
  return attacks;
}

std::string name_of(const testing::TestParamInfo<Attack>& info) {
  std::string name = info.param.strategy.name;
  std::erase_if(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; });
  return name + "_" + support::name_of_attributes(info.param.attributes);
}

INSTANTIATE_TEST_SUITE_P(Attacks, HostilePeer, testing::ValuesIn(all_attacks()), name_of);

}  // namespace
