// Lock and unlock with nobody else about; alone in the process, with a second thread in it, and with other locks open
// or held.
#include <benchmark/benchmark.h>
#include <sys/single_threaded.h>

#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "support/peers.h"

namespace bench {
namespace {

template <class Peer>
void pair(benchmark::State& state) {
  Peer lock;
  lock.join();
  for (auto _ : state) {
    benchmark::DoNotOptimize(lock.lock());
    lock.unlock();
  }
}

enum class Others { open, held };

template <class Peer, Others others>
void pair_among(benchmark::State& state) {
  std::vector<std::unique_ptr<Peer>> crowd;
  for (int64_t i = 0; i < state.range(0); ++i) {
    crowd.push_back(std::make_unique<Peer>());
    if (others == Others::held && crowd.back()->lock() != 0) die("lock");
  }
  Peer lock;
  for (auto _ : state) {
    benchmark::DoNotOptimize(lock.lock());
    lock.unlock();
  }
  if (others == Others::open) return;
  for (auto& other : crowd) other->unlock();
}

template <class Peer>
void register_crowds() {
  const std::string id(Peer::id);
  for (const int count : {0, 1, 100, 1000}) {
    benchmark::RegisterBenchmark(("open/" + id).c_str(), pair_among<Peer, Others::open>)->Arg(count);
    benchmark::RegisterBenchmark(("held/" + id).c_str(), pair_among<Peer, Others::held>)->Arg(count);
  }
}

void register_all(bool second_thread) {
  const std::string prefix = second_thread ? "two-threads/" : "alone/";
  for_each_peer(
      [&]<class Peer>() { benchmark::RegisterBenchmark((prefix + std::string(Peer::id)).c_str(), pair<Peer>); });
  benchmark::RegisterBenchmark((prefix + "bare-rmw").c_str(), pair<BareRmwPair>);
  if (second_thread) return;
  register_crowds<OurPlain>();
  register_crowds<OurBuffer>();
  register_crowds<GlibcRobust>();
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  const bool second_thread = argc > 1 && strcmp(argv[1], "second-thread") == 0;
  if (second_thread) {
    // For the C library, and for shmutex, the process has more than one thread from here on, for good.
    std::thread([] {}).join();
    if (__libc_single_threaded != 0) __libc_single_threaded = 0;
  }
  bench::register_all(second_thread);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
