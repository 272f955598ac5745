// futex(2) fails, or returns for no reason, in each of its uses: the call ends with that error or does without, nothing
// stays pending or linked in the thread's robust list, and the lock goes on working.
#include <errno.h>
#include <gtest/gtest.h>
#include <linux/futex.h>
#include <shmutex/shmutex.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <thread>

#include "injector.h"
#include "support/support.h"

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

namespace {

using support::Child;
using support::Flag;
using support::Shared;

constexpr uint64_t operation_mask = 0x7f;  // without FUTEX_CLOCK_REALTIME
constexpr int none_injected = 210;         // exit statuses of the children, beyond errno values
constexpr int not_clean = 211;
constexpr int does_not_work = 212;
constexpr int others_failed = 213;

// The calling thread's robust list is empty, and no operation pending.
bool list_is_clean() {
  robust_list_head* head = nullptr;
  size_t size = 0;
  if (syscall(SYS_get_robust_list, 0, &head, &size) != 0) return false;
  return head->list.next == &head->list && head->list_op_pending == nullptr;
}

bool works(shmutex_t* m) {
  const int locked = shmutex_lock(m);
  if (locked == EOWNERDEAD && shmutex_consistent(m) != 0) return false;
  return (locked == 0 || locked == EOWNERDEAD) && shmutex_unlock(m) == 0 && list_is_clean();
}

// A lock, and other processes that hold it and wait for it.
class Scenario {
 public:
  explicit Scenario(unsigned attributes) {
    if (shmutex_open(&m_, (dir_ / "lock").c_str(), attributes, 0) != 0) _exit(200);
  }

  shmutex_t* lock() { return m_; }

  // A process that takes the lock, and keeps it until it is told.
  Child owner() {
    Child child([this] {
      if (shmutex_lock(m_) != 0) return 1;
      (*flags_)[0].raise();
      (*flags_)[1].wait();
      return shmutex_unlock(m_);
    });
    (*flags_)[0].wait();
    return child;
  }
  void owner_may_go() { (*flags_)[1].raise(); }

  // A process that waits for the lock, asleep by now; it takes it for a moment.
  Child waiter(int64_t timeout_ns = -1) {
    Child child([this, timeout_ns] {
      const int result = shmutex_timedlock(m_, timeout_ns);
      return result == 0 ? shmutex_unlock(m_) : result;
    });
    child.wait_until_asleep();
    return child;
  }

 private:
  support::TempDir dir_;
  shmutex_t* m_ = nullptr;
  Shared<std::array<Flag, 2>> flags_;
};

struct Fault {
  int operation;
  int error;  // 0: `value` is returned
  int times = 1;
  int64_t value = 0;
};

int injected_in_all = 0;

class Figures : public testing::Environment {
  void TearDown() override { printf("futex: faults injected %d\n", injected_in_all); }
};
const testing::Environment* const figures = testing::AddGlobalTestEnvironment(new Figures);

void arm(Injector& injector, const Fault& fault) {
  injector.answer(SYS_futex, operation_mask, static_cast<uint64_t>(fault.operation), fault.error, fault.value,
                  fault.times);
}

// The status of a victim whose wait met a fault: what the call returned, or what is wrong besides.
int after_the_wait(Scenario& scenario, int result) {
  if (result == 0 && shmutex_unlock(scenario.lock()) != 0) return does_not_work;
  return list_is_clean() ? result : not_clean;
}

// Waits for a lock that is held; second in line: behind one that waits for it already.
int wait_with(unsigned attributes, const Fault& fault, int64_t timeout_ns, bool owner_lets_go,
              bool second_in_line = false) {
  injected_in_all += fault.times;
  return Child([&] {
           Scenario scenario(attributes);
           Child owner = scenario.owner();
           std::unique_ptr<Child> head;
           if (second_in_line) head = std::make_unique<Child>(scenario.waiter());
           Injector injector({SYS_futex});
           arm(injector, fault);
           std::thread release([&] {
             if (!owner_lets_go) return;
             support::wait_until([&] { return injector.injected() == fault.times; });
             scenario.owner_may_go();
           });
           const int result = shmutex_timedlock(scenario.lock(), timeout_ns);
           const int injected = injector.injected();
           injector.disarm();
           release.join();
           const int status = after_the_wait(scenario, result);
           scenario.owner_may_go();
           if (owner.wait() != 0 || (head != nullptr && head->wait() != 0)) return others_failed;
           if (injected == 0) return none_injected;
           return works(scenario.lock()) && shmutex_close(scenario.lock()) == 0 ? status : does_not_work;
         })
      .wait();
}

// Releases a lock that has a waiter.
int release_with(unsigned attributes, const Fault& fault, uint64_t mask = operation_mask) {
  injected_in_all += fault.times;
  return Child([&] {
           Scenario scenario(attributes);
           if (shmutex_lock(scenario.lock()) != 0) return 200;
           Child waiter = scenario.waiter(attributes == SHMUTEX_FAIR ? support::second / 2 : -1);
           Injector injector({SYS_futex});
           injector.answer(SYS_futex, mask, static_cast<uint64_t>(fault.operation) & mask, fault.error, 0, fault.times);
           const int result = shmutex_unlock(scenario.lock());
           const int injected = injector.injected();
           injector.disarm();
           if (injected == 0) return none_injected;
           if (shmutex_is_owned(scenario.lock()) != 0 || !list_is_clean()) return not_clean;
           // The kernel will not wake a fair lock's waiter for us: it finds out when its time is up.
           const int waited = waiter.wait();
           if (waited != 0 && !(attributes == SHMUTEX_FAIR && waited == ETIMEDOUT)) return others_failed;
           return works(scenario.lock()) && shmutex_close(scenario.lock()) == 0 ? result : does_not_work;
         })
      .wait();
}

// ---- plain locks

TEST(PlainWait, EndsWithTheError) {
  for (const int error : {ENOSYS, EFAULT, EPERM, ENOMEM, EACCES}) {
    EXPECT_EQ(error, wait_with(0, {FUTEX_WAIT_BITSET, error}, -1, false)) << strerror(error);
  }
}

TEST(PlainWait, EndsWithTheErrorForTheSecondInLine) {
  for (const int error : {ENOSYS, EFAULT, EPERM, ENOMEM, EACCES}) {
    EXPECT_EQ(error, wait_with(0, {FUTEX_WAIT_BITSET, error}, -1, false, true)) << strerror(error);
  }
}

TEST(PlainWait, IsNotFooledBySpuriousReturns) {
  for (const bool second : {false, true}) {
    EXPECT_EQ(0, wait_with(0, {FUTEX_WAIT_BITSET, 0, 1000}, -1, true, second));
    EXPECT_EQ(0, wait_with(0, {FUTEX_WAIT_BITSET, EAGAIN, 1000}, -1, true, second));
    EXPECT_EQ(0, wait_with(0, {FUTEX_WAIT_BITSET, EINTR, 1000}, -1, true, second));
    EXPECT_EQ(ETIMEDOUT, wait_with(0, {FUTEX_WAIT_BITSET, 0, 100}, 100 * support::millisecond, false, second));
  }
}

// A head waiter that gets the lock, and cannot wake the next in line: that one wakes by himself, in time.
TEST(PlainWake, OfTheNextInLineFails) {
  for (const int error : {ENOSYS, EFAULT, EPERM}) {
    const int status = Child([&] {
                         Scenario scenario(0);
                         Child owner = scenario.owner();
                         Shared<Flag> injecting;
                         Child head([&] {
                           Injector injector({SYS_futex});
                           arm(injector, {FUTEX_WAKE, error, 1000});
                           injecting->raise();
                           const int result = shmutex_lock(scenario.lock());
                           const int injected = injector.injected();
                           injector.disarm();
                           if (injected == 0) return none_injected;
                           return after_the_wait(scenario, result);
                         });
                         injecting->wait();
                         support::wait_until([&] {
                           shmutex_info_t info{};
                           info.size = sizeof info;
                           return shmutex_info(scenario.lock(), &info) == 0 && info.waiters == 1;
                         });
                         Child second = scenario.waiter();
                         scenario.owner_may_go();
                         if (owner.wait() != 0) return others_failed;
                         const int status_of_head = head.wait();
                         if (status_of_head != 0) return status_of_head;
                         if (second.wait() != 0) return others_failed;
                         return works(scenario.lock()) ? 0 : does_not_work;
                       }).wait();
    EXPECT_EQ(0, status) << strerror(error);
  }
}

TEST(PlainRelease, DoesWithoutWakeOp) {
  for (const int error : {ENOSYS, EFAULT, EPERM}) {
    EXPECT_EQ(0, release_with(0, {FUTEX_WAKE_OP, error})) << strerror(error);
  }
}

TEST(PlainRelease, WithoutAnyWakeSaysSoAndTheWaiterWakesByItself) {
  // WAKE_OP, the kernel's look at the word, and the wake. EFAULT is not among them: to the release it means that another
  // thread has closed the lock since, so there is nothing to wake.
  for (const int error : {ENOSYS, EPERM}) {
    EXPECT_EQ(error, release_with(0, {FUTEX_WAKE_OP, error, 3}, 0)) << strerror(error);
  }
}

// ---- fair locks

TEST(FairWait, EndsWithTheError) {
  for (const int error : {ENOSYS, EFAULT, ENOMEM, EACCES}) {
    EXPECT_EQ(error, wait_with(SHMUTEX_FAIR, {FUTEX_LOCK_PI, error}, -1, false)) << strerror(error);
    EXPECT_EQ(error, wait_with(SHMUTEX_FAIR, {FUTEX_LOCK_PI, error}, -1, false, true)) << strerror(error);
  }
}

TEST(FairWait, WithALimitEndsWithTheError) {
  for (const int error : {EFAULT, ENOMEM, EACCES}) {
    EXPECT_EQ(error, wait_with(SHMUTEX_FAIR, {FUTEX_LOCK_PI2, error}, 60 * support::second, false)) << strerror(error);
  }
}

TEST(FairWait, WithALimitDoesWithoutTheNewerCall) {
  EXPECT_EQ(ETIMEDOUT, wait_with(SHMUTEX_FAIR, {FUTEX_LOCK_PI2, ENOSYS}, 50 * support::millisecond, false));
  EXPECT_EQ(0, wait_with(SHMUTEX_FAIR, {FUTEX_LOCK_PI2, ENOSYS}, 60 * support::second, true));
}

TEST(FairWait, OutlivesForgedOwners) {
  for (const int error : {ESRCH, EPERM, EINVAL, EAGAIN}) {
    EXPECT_EQ(0, wait_with(SHMUTEX_FAIR, {FUTEX_LOCK_PI, error, 5}, -1, true)) << strerror(error);
  }
}

TEST(FairTry, EndsWithTheError) {
  for (const int error : {ENOSYS, EFAULT, ENOMEM, EACCES}) {
    const int status = Child([&] {
                         Scenario scenario(SHMUTEX_FAIR);
                         Child owner = scenario.owner();
                         Injector injector({SYS_futex});
                         arm(injector, {FUTEX_TRYLOCK_PI, error});
                         const int result = shmutex_trylock(scenario.lock());
                         injector.disarm();
                         if (!list_is_clean()) return not_clean;
                         scenario.owner_may_go();
                         if (owner.wait() != 0) return others_failed;
                         return works(scenario.lock()) ? result : does_not_work;
                       }).wait();
    EXPECT_EQ(error, status) << strerror(error);
  }
}

TEST(FairRelease, EndsWithTheError) {
  for (const int error : {ENOSYS, EFAULT, ENOMEM}) {
    EXPECT_EQ(error, release_with(SHMUTEX_FAIR, {FUTEX_UNLOCK_PI, error})) << strerror(error);
  }
}

// The word changed while the kernel looked: a waiter came, and gave up.
TEST(FairRelease, IsTriedAgainWhenTheKernelSaysSo) {
  EXPECT_EQ(0, release_with(SHMUTEX_FAIR, {FUTEX_UNLOCK_PI, EAGAIN})) << "EAGAIN";
}

// What a dead owner left goes on to the next owner also where the kernel does not hand it over.
TEST(FairRelease, ThatFailsKeepsTheNewsOfADeath) {
  const int status = Child([] {
                       Scenario scenario(SHMUTEX_FAIR);
                       scenario.owner().kill_and_wait();
                       if (shmutex_lock(scenario.lock()) != EOWNERDEAD) return 1;
                       Injector injector({SYS_futex});
                       arm(injector, {FUTEX_UNLOCK_PI, EFAULT});
                       if (shmutex_unlock(scenario.lock()) != EFAULT || injector.injected() != 1) return none_injected;
                       injector.disarm();
                       if (!list_is_clean()) return not_clean;
                       if (shmutex_lock(scenario.lock()) != EOWNERDEAD) return 2;
                       return shmutex_unlock(scenario.lock()) == 0 && works(scenario.lock()) ? 0 : does_not_work;
                     }).wait();
  EXPECT_EQ(0, status);
}

}  // namespace
