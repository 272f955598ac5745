// What a watchdog prints: which thread waits for which lock, and which owns it.
#include "support/hang_report.h"

#include <gtest/gtest.h>
#include <shmutex/shmutex.h>
#include <stdio.h>

#include "support/support.h"

namespace {

TEST(HangReport, ShowsProcessesThreadsAndLocks) {
  const support::TempDir directory;
  const std::string path = directory / "lock";
  struct alignas(SHMUTEX_ALIGN) Memory {
    unsigned char bytes[SHMUTEX_SIZE] = {};
  };
  support::Shared<Memory> memory;
  support::Child holder([&] {
    shmutex_t* in_file = nullptr;
    shmutex_t* in_memory = nullptr;
    if (shmutex_open(&in_file, path.c_str(), 0, 0) != 0 || shmutex_lock(in_file) != 0) return 1;
    if (shmutex_attach(&in_memory, &*memory, SHMUTEX_SIZE, SHMUTEX_INIT_ONCE) != 0 || shmutex_lock(in_memory) != 0)
      return 2;
    return 0;  // and dies holding both
  });
  ASSERT_EQ(holder.wait(), 0);
  support::Child waiter([&] {
    shmutex_t* in_file = nullptr;
    shmutex_t* in_memory = nullptr;
    if (shmutex_open(&in_file, path.c_str(), 0, 0) != 0 || shmutex_lock(in_file) != EOWNERDEAD) return 1;
    if (shmutex_attach(&in_memory, &*memory, SHMUTEX_SIZE, 0) != 0 || shmutex_lock(in_memory) != EOWNERDEAD) return 2;
    support::Child grandchild([&] { return shmutex_lock(in_file); });
    return grandchild.wait();
  });
  std::string report;
  char word[32];
  snprintf(word, sizeof word, "word %08x",
           static_cast<unsigned>(waiter.pid()) | 0xc000'0000u);  // owner died, and a waiter
  const std::string pid = std::to_string(waiter.pid());
  const std::string asleep = "thread " + pid + " of process " + pid + ": state S";
  support::wait_until([&] {
    report = support::hang_report();
    return report.find(word) != std::string::npos && report.find(asleep) != std::string::npos;
  });
  EXPECT_NE(report.find("lock in " + path), std::string::npos) << report;
  snprintf(word, sizeof word, "word %08x", static_cast<unsigned>(waiter.pid()) | 0x4000'0000u);
  EXPECT_NE(report.find(word), std::string::npos) << "the lock in memory:\n" << report;
}

}  // namespace
