// The probe of dead owners while the owner changes between the two questions that it asks the kernel.
#include <errno.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "injector.h"
#include "mutex/layout.h"
#include "sync/owner_probe.h"

namespace shmutex {
namespace {

// The filter is the thread's, and stays.
template <class Body>
void in_a_thread_of_its_own(Body body) {
  std::thread(body).join();
}

TEST(OwnerProbe, AnOwnerThatEndsAfterItsReleaseIsNotTheDeadOne) {
  const pid_t owner = fork();
  if (owner == 0) _exit(0);
  int status = 0;
  ASSERT_EQ(waitpid(owner, &status, 0), owner);
  in_a_thread_of_its_own([owner] {
    SharedLine line{};
    line.word = static_cast<uint32_t>(owner);
    Injector injector({SYS_kill});
    injector.run_before_nth(1, [&line] { __atomic_store_n(&line.word, 0u, __ATOMIC_RELAXED); });
    DeadOwner found{};
    EXPECT_FALSE(find_dead_owner(line.word, found));
    EXPECT_EQ(injector.seen(), 1);
  });
}

TEST(OwnerProbe, ANewOwnerWithItsTidThatWasFasterThanTheLookIsNotTheDeadOne) {
  in_a_thread_of_its_own([] {
    SharedLine line{};
    line.word = static_cast<uint32_t>(gettid());
    Injector injector({SYS_kill});
    injector.fail_nth(1, ESRCH);  // it was dead then
    DeadOwner found{};
    EXPECT_FALSE(find_dead_owner(line.word, found));
    EXPECT_EQ(injector.injected(), 1);
  });
}

}  // namespace
}  // namespace shmutex
