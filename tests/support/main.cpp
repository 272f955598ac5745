// main() of the GoogleTest programs: a watchdog for each test, which names the test that hung, and shows what hangs
// there.
#include <gtest/gtest.h>

#include <stdio.h>
#include <string.h>
#include <sys/signal.h>
#include <unistd.h>

#include "support/hang_report.h"
#include "support/support.h"

namespace {

char running[256];

void on_alarm(int) {
  static const char message[] = "\nWATCHDOG: this test hangs: ";
  (void)!write(STDERR_FILENO, message, sizeof message - 1);
  (void)!write(STDERR_FILENO, running, strlen(running));
  (void)!write(STDERR_FILENO, "\n", 1);
  // What follows is not for signal handlers, and may hang in turn; then the next alarm ends it.
  signal(SIGALRM, SIG_DFL);
  alarm(10);
  const std::string report = support::hang_report();
  (void)!write(STDERR_FILENO, report.data(), report.size());
  abort();
}

class Watchdog : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo& info) override {
    snprintf(running, sizeof running, "%s.%s", info.test_suite_name(), info.name());
    support::expect_progress();
  }
  void OnTestEnd(const testing::TestInfo&) override { alarm(0); }
};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  signal(SIGALRM, on_alarm);
  testing::UnitTest::GetInstance()->listeners().Append(new Watchdog);
  return RUN_ALL_TESTS();
}
