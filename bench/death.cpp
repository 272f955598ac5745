// From SIGKILL of the owner to the return of the sleeping waiter's call. Only locks that an owner's death releases.
#include <signal.h>
#include <stdio.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "support/options.h"
#include "support/peers.h"
#include "support/workers.h"

namespace bench {
namespace {

struct Scenario {
  std::atomic<bool> held{false};
  std::atomic<bool> about_to_wait{false};
  std::atomic<int64_t> acquired_at{0};
};

void wait_for(const std::atomic<bool>& flag) {
  while (!flag.load()) usleep(50);
}

void wait_until_asleep(pid_t process) {
  const std::string path = "/proc/" + std::to_string(process) + "/stat";
  for (std::string text; text.find(") S ") == std::string::npos; usleep(50)) std::getline(std::ifstream(path), text);
}

// One lock, and a waiter that lives through all rounds, so that its code and memory are warm as in a server.
template <class Peer>
class Stage {
 public:
  Stage() {
    if (pipe(cue_) != 0) die("pipe");
    waiter_ = fork_child([this] { wait_on_cue(); });
  }
  ~Stage() {
    kill(waiter_, SIGKILL);
    reap(waiter_);
  }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  int64_t kill_an_owner() {
    scenario_->held.store(false);
    const pid_t owner = fork_child([this] {
      lock_.join();
      if (lock_.lock() != 0) die("lock");
      scenario_->held.store(true);
      for (;;) pause();
    });
    wait_for(scenario_->held);
    scenario_->acquired_at.store(0);
    scenario_->about_to_wait.store(false);
    if (write(cue_[1], "w", 1) != 1) die("write");
    wait_for(scenario_->about_to_wait);
    wait_until_asleep(waiter_);
    const int64_t killed_at = now_ns();
    if (kill(owner, SIGKILL) != 0) die("kill");
    reap(owner);
    while (scenario_->acquired_at.load() == 0) usleep(50);
    return scenario_->acquired_at.load() - killed_at;
  }

 private:
  void wait_on_cue() {
    lock_.join();
    for (char cue; read(cue_[0], &cue, 1) == 1;) {
      scenario_->about_to_wait.store(true);
      const int result = lock_.lock();
      const int64_t now = now_ns();
      if (result == EOWNERDEAD) lock_.recover();
      lock_.unlock();
      scenario_->acquired_at.store(now);
    }
  }

  static void reap(pid_t process) {
    int status = 0;
    if (waitpid(process, &status, 0) != process) die("waitpid");
  }

  Shared<Scenario> scenario_;
  Peer lock_;
  int cue_[2];
  pid_t waiter_;
};

template <class Peer>
void measure(int round) {
  static Stage<Peer> stage;
  printf("{\"lock\": \"%s\", \"round\": %d, \"latency_ns\": %lld}\n", std::string(Peer::id).c_str(), round,
         static_cast<long long>(stage.kill_an_owner()));
  fflush(stdout);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;
  const Options options(argc, argv, {"rounds"});
  for (int round = 0; round < options.integer("rounds", 200); ++round) {
    for_each_peer([&]<class Peer>() {
      if constexpr (Peer::robust) measure<Peer>(round);
    });
  }
}
