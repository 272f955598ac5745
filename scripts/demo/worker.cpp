// demo-worker-cpp LEDGER LOCK count N: increments the ledger N times; LOCK "-": without a lock
#include <unistd.h>
#include <shmutex/shmutex.hpp>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <optional>
#include <string_view>

#include "ledger.h"

int main(int argc, char** argv) try {
  if (argc < 5 || std::string_view(argv[3]) != "count") return 2;
  const int ledger = ledger_open(argv[1]);
  std::optional<shmutex::mutex> mutex;
  if (std::string_view(argv[2]) != "-") {
    mutex.emplace(argv[2], [ledger](shmutex::mutex&) {
      const bool was_half_done = ledger_repair(ledger) != 0;
      std::printf("   C++ worker %d: the last owner died inside; %s\n", getpid(),
                  was_half_done ? "found a half-done update and rolled it back" : "nothing was half done");
      std::fflush(stdout);
    });
  }
  for (long i = std::atol(argv[4]); i > 0; --i) {
    std::unique_lock<shmutex::mutex> guard;
    if (mutex) guard = std::unique_lock(*mutex);
    ledger_increment(ledger);
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "C++ worker: %s\n", error.what());
  return 1;
}
