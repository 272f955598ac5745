// Hand-over between two processes: how long after one's release the other runs with the lock.
//
// Three locks in a ring, two processes. Each holds one and asks for the next before it lets its own go:
//
//   A holds 0, B holds 1  ->  B takes 2, lets 1 go  ->  A gets 1, lets 0 go  ->  B gets 0, lets 2 go  ->  A gets 2 ...
//
// So every acquisition needs the other's release, and no process can get a lock back that it has just let go. "asleep":
// the holder works so long that the other has gone to sleep, whatever it spins; the time is taken from just before the
// release. "at once": nobody works, and the time is that of one hop.
#include <stdio.h>

#include <algorithm>
#include <string>
#include <vector>

#include "support/options.h"
#include "support/peers.h"
#include "support/workers.h"

namespace bench {
namespace {

constexpr int ring_size = 3;

struct Ring {
  Gate gate;
  struct alignas(64) Station {
    std::atomic<int64_t> released_at;
  } stations[ring_size];
  alignas(64) std::atomic<int> standing{0};
  alignas(64) int64_t elapsed_ns;
  int64_t latencies[1 << 17];  // of both processes, turn and turn about
};

struct Case {
  int hops;  // of each process
  int64_t work_ns;
};

template <class Peer>
void walk(Peer (&locks)[ring_size], const Case& what, Ring& ring, int process) {
  for (Peer& lock : locks) lock.join();
  const uint64_t work = turns_for(what.work_ns);
  // Each stands on its own lock before either walks, or one would go round alone.
  int at = process;
  locks[at].lock();
  ring.standing.fetch_add(1);
  while (ring.standing.load() != 2) usleep(10);
  const int64_t start = now_ns();
  for (int hop = 0; hop < what.hops; ++hop) {
    const int next = (at + 1) % ring_size;
    locks[next].lock();
    const int64_t got = now_ns();
    ring.latencies[2 * hop + process] = got - ring.stations[next].released_at.load(std::memory_order_relaxed);
    busy(work);
    ring.stations[at].released_at.store(now_ns(), std::memory_order_relaxed);
    locks[at].unlock();
    at = next;
  }
  if (process == 0) ring.elapsed_ns = now_ns() - start;
  locks[at].unlock();
}

template <class Peer>
void measure(const Case& what, const char* kind, int round) {
  Shared<Ring> memory;
  Ring& ring = *memory;
  Peer locks[ring_size];
  Workers workers(2, ring.gate, [&](int process) { walk(locks, what, ring, process); });
  workers.release();
  workers.wait();
  const int settled = std::min(what.hops / 10, 100);
  std::vector<int64_t> latencies(ring.latencies + 2 * settled, ring.latencies + 2 * what.hops);
  std::ranges::sort(latencies);
  const std::size_t n = latencies.size();
  printf(
      "{\"lock\": \"%s\", \"kind\": \"%s\", \"round\": %d, \"hop_ns\": %.0f, \"median_ns\": %lld, \"p90_ns\": %lld, "
      "\"p99_ns\": %lld}\n",
      std::string(Peer::id).c_str(), kind, round, static_cast<double>(ring.elapsed_ns) / (2.0 * what.hops),
      static_cast<long long>(latencies[n / 2]), static_cast<long long>(latencies[n * 9 / 10]),
      static_cast<long long>(latencies[n * 99 / 100]));
  fflush(stdout);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;
  const Options options(argc, argv, {"rounds", "hops", "work", "locks"});
  const int hops = std::clamp(options.integer("hops", 1000), 100, 1 << 16);
  const auto only = options.list("locks", "");
  const Case asleep{hops, options.integer("work", 100000)};
  const Case at_once{10 * hops > 1 << 16 ? 1 << 16 : 10 * hops, 0};
  turns_per_us();
  for (int round = 0; round < options.integer("rounds", 5); ++round) {
    for_each_peer([&]<class Peer>() {
      if (!only.empty() && std::ranges::count(only, Peer::id) == 0) return;
      measure<Peer>(asleep, "asleep", round);
      measure<Peer>(at_once, "at-once", round);
    });
  }
}
