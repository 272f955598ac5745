// Processes that contend for one lock: throughput, each process's share, and how long single acquisitions wait.
//
// Every run is one JSON line. Runs are interleaved: within a round, each case is run for each lock in turn, beginning
// with another lock each time.
#include <stdio.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "support/histogram.h"
#include "support/options.h"
#include "support/peers.h"
#include "support/workers.h"

namespace bench {
namespace {

struct Case {
  int processes;
  int think_ns;    // between a release and the next acquisition
  int section_ns;  // inside, besides the increment
  double seconds;
  bool waits;  // time every acquisition
};

constexpr int most_processes = 64;

struct alignas(64) Slot {
  uint64_t acquisitions;
  int64_t longest_ns;
  Histogram waits;
};

struct Run {
  Gate gate;
  alignas(64) uint64_t protected_counter;
  Slot slots[most_processes];
};

template <class Peer, bool timed>
void work(Peer& lock, const Case& what, Run& run, int index) {
  const uint64_t think = turns_for(what.think_ns);
  const uint64_t section = turns_for(what.section_ns);
  volatile uint64_t& counter = run.protected_counter;
  Slot& slot = run.slots[index];
  uint64_t acquisitions = 0;
  lock.join();
  while (!run.gate.stop.load(std::memory_order_relaxed)) {
    const int64_t asked = timed ? now_ns() : 0;
    if (lock.lock() != 0) die("lock");
    if constexpr (timed) {
      const int64_t waited = now_ns() - asked;
      slot.waits.add(waited);
      slot.longest_ns = std::max(slot.longest_ns, waited);
    }
    counter = counter + 1;
    busy(section);
    lock.unlock();
    busy(think);
    ++acquisitions;
  }
  slot.acquisitions = acquisitions;
}

void report(std::string_view id, const Case& what, int round, const Run& run, int64_t elapsed_ns) {
  Histogram waits;
  uint64_t total = 0;
  uint64_t least = UINT64_MAX;
  uint64_t most = 0;
  int64_t longest = 0;
  for (int i = 0; i < what.processes; ++i) {
    const Slot& slot = run.slots[i];
    waits.merge(slot.waits);
    total += slot.acquisitions;
    least = std::min(least, slot.acquisitions);
    most = std::max(most, slot.acquisitions);
    longest = std::max(longest, slot.longest_ns);
  }
  if (total != run.protected_counter) {
    fprintf(stderr, "%s: %llu acquisitions, but the counter says %llu\n", std::string(id).c_str(),
            static_cast<unsigned long long>(total), static_cast<unsigned long long>(run.protected_counter));
    exit(1);
  }
  printf("{\"lock\": \"%s\", \"processes\": %d, \"think_ns\": %d, \"section_ns\": %d, \"seconds\": %g, \"round\": %d, ",
         std::string(id).c_str(), what.processes, what.think_ns, what.section_ns, what.seconds, round);
  printf("\"per_second\": %.0f, \"share\": %.4f", static_cast<double>(total) * 1e9 / static_cast<double>(elapsed_ns),
         most == 0 ? 0.0 : static_cast<double>(least) / static_cast<double>(most));
  if (what.waits) {
    printf(", \"p50_ns\": %.0f, \"p99_ns\": %.0f, \"p999_ns\": %.0f, \"longest_ns\": %lld", waits.quantile(0.5),
           waits.quantile(0.99), waits.quantile(0.999), static_cast<long long>(longest));
  }
  printf("}\n");
  fflush(stdout);
}

template <class Peer>
void measure(const Case& what, int round) {
  Shared<Run> memory;
  Run& run = *memory;
  Peer lock;
  Workers workers(what.processes, run.gate, [&](int index) {
    what.waits ? work<Peer, true>(lock, what, run, index) : work<Peer, false>(lock, what, run, index);
  });
  const int64_t start = now_ns();
  workers.release();
  usleep(static_cast<useconds_t>(what.seconds * 1e6));
  run.gate.stop.store(true);
  const int64_t elapsed = now_ns() - start;
  workers.wait();
  report(Peer::id, what, round, run, elapsed);
}

void measure(const std::string& id, const Case& what, int round) {
  bool found = false;
  for_each_peer([&]<class Peer>() {
    if (Peer::id != id) return;
    found = true;
    measure<Peer>(what, round);
  });
  if (!found) check(EINVAL, ("no lock " + id).c_str());
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;
  const Options options(argc, argv, {"locks", "processes", "think", "section", "seconds", "rounds", "waits"});
  const auto locks = options.list("locks", "shmutex,glibc-robust");
  const auto sections = options.integers("section", "0");
  const double seconds = options.number("seconds", 1);
  const int rounds = options.integer("rounds", 3);
  const bool waits = options.integer("waits", 0) != 0;
  turns_per_us();
  std::size_t first = 0;
  for (int round = 0; round < rounds; ++round) {
    for (const int section : sections) {
      for (const int processes : options.integers("processes", "2,4,8")) {
        if (processes < 1 || processes > most_processes) check(EINVAL, "--processes");
        for (const int think : options.integers("think", "0,50,400")) {
          ++first;
          for (std::size_t i = 0; i < locks.size(); ++i) {
            measure(locks[(first + i) % locks.size()], {processes, think, section, seconds, waits}, round);
          }
        }
      }
    }
  }
}
