// The standard's TimedLockable requirements, and the standard's types on top of them.
#include <chrono>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <ratio>
#include <thread>
#include <type_traits>
#include <vector>

#include "cpp/support.h"

namespace {

using cpp_test::error_of;
using namespace std::chrono_literals;

template <class Mutex>
class Lockable : public testing::Test {
 protected:
  support::TempDir dir_;
  Mutex mutex_{dir_ / "lock"};
};

using Mutexes = testing::Types<shmutex::mutex, shmutex::recursive_mutex>;
TYPED_TEST_SUITE(Lockable, Mutexes, );

static_assert(!std::is_copy_constructible_v<shmutex::mutex> && !std::is_copy_assignable_v<shmutex::mutex>);
static_assert(!std::is_move_constructible_v<shmutex::mutex> && !std::is_move_assignable_v<shmutex::mutex>);
static_assert(!std::is_convertible_v<const char*, shmutex::mutex>);
static_assert(std::is_nothrow_destructible_v<shmutex::mutex>);
static_assert(std::is_base_of_v<std::system_error, shmutex::owner_died>);
static_assert(std::is_same_v<shmutex::mutex::native_handle_type, shmutex_t*>);
static_assert(!std::is_constructible_v<shmutex::mutex, const char*, shmutex::flags, int>);

// Runs body() while a thread of its own holds the lock.
template <class Mutex>
void while_held(Mutex& mutex, const std::function<void()>& body) {
  support::Flag held;
  support::Flag done;
  std::thread owner([&] {
    const std::lock_guard guard(mutex);
    held.raise();
    done.wait();
  });
  held.wait();
  body();
  done.raise();
  owner.join();
}

TYPED_TEST(Lockable, LockAndUnlock) {
  auto& m = this->mutex_;
  EXPECT_FALSE(m.owned());
  m.lock();
  EXPECT_TRUE(m.owned());
  m.unlock();
  EXPECT_FALSE(m.owned());
}

TYPED_TEST(Lockable, TryLockSaysBusyWithoutWaiting) {
  auto& m = this->mutex_;
  while_held(m, [&] { EXPECT_FALSE(m.try_lock()); });
  ASSERT_TRUE(m.try_lock());
  m.unlock();
}

TYPED_TEST(Lockable, TimedFormsTakeAFreeLockWhateverTheTime) {
  auto& m = this->mutex_;
  for (const auto timeout : {-1h, 0h, 1h}) {
    ASSERT_TRUE(m.try_lock_for(timeout));
    m.unlock();
    ASSERT_TRUE(m.try_lock_until(std::chrono::steady_clock::now() + timeout));
    m.unlock();
    ASSERT_TRUE(m.try_lock_until(std::chrono::system_clock::now() + timeout));
    m.unlock();
  }
  ASSERT_TRUE(m.try_lock_until(std::chrono::steady_clock::time_point::max()));
  m.unlock();
  ASSERT_TRUE(m.try_lock_until(std::chrono::steady_clock::time_point::min()));
  m.unlock();
}

TYPED_TEST(Lockable, TimedFormsWaitAsLongAsAsked) {
  auto& m = this->mutex_;
  while_held(m, [&] {
    const auto before = std::chrono::steady_clock::now();
    EXPECT_FALSE(m.try_lock_for(20ms));
    EXPECT_GE(std::chrono::steady_clock::now() - before, 20ms);

    const auto steady = std::chrono::steady_clock::now() + 20ms;
    EXPECT_FALSE(m.try_lock_until(steady));
    EXPECT_GE(std::chrono::steady_clock::now(), steady);

    const auto system = std::chrono::system_clock::now() + 20ms;
    EXPECT_FALSE(m.try_lock_until(system));
    EXPECT_GE(std::chrono::system_clock::now(), system);

    EXPECT_FALSE(m.try_lock_for(0ms));
    EXPECT_FALSE(m.try_lock_for(-1s));
    EXPECT_FALSE(m.try_lock_until(std::chrono::steady_clock::time_point::min()));
  });
}

TYPED_TEST(Lockable, ATimedWaitEndsWithTheLockWhenItComesFree) {
  auto& m = this->mutex_;
  support::Flag acquired;
  std::thread waiter;
  while_held(m, [&] {
    waiter = std::thread([&] {
      ASSERT_TRUE(m.try_lock_for(std::chrono::hours(24 * 365 * 1000)));
      acquired.raise();
      m.unlock();
    });
    support::wait_until([&] { return m.info().waiters != 0; });
    EXPECT_FALSE(acquired.raised());
  });
  waiter.join();
  EXPECT_TRUE(acquired.raised());
}

TYPED_TEST(Lockable, UnlockWithoutHoldingThrows) {
  EXPECT_EQ(error_of([&] { this->mutex_.unlock(); }), EPERM);
  while_held(this->mutex_, [&] { EXPECT_EQ(error_of([&] { this->mutex_.unlock(); }), EPERM); });
}

TEST(Plain, RelockingThrowsADeadlockError) {
  const support::TempDir dir;
  shmutex::mutex m(dir / "lock");
  const std::lock_guard guard(m);
  EXPECT_EQ(error_of([&] { m.lock(); }), EDEADLK);
  EXPECT_EQ(error_of([&] { m.try_lock_for(1h); }), EDEADLK);
  EXPECT_FALSE(m.try_lock());
  try {
    m.lock();
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::errc::resource_deadlock_would_occur);
    EXPECT_NE(std::string(error.what()).find(dir / "lock"), std::string::npos) << error.what();
  }
}

TEST(Recursive, IsReleasedAsOftenAsAcquired) {
  const support::TempDir dir;
  shmutex::recursive_mutex m(dir / "lock");
  m.lock();
  ASSERT_TRUE(m.try_lock());
  ASSERT_TRUE(m.try_lock_for(0s));
  EXPECT_EQ(m.info().depth, 3u);
  m.unlock();
  m.unlock();
  EXPECT_TRUE(m.owned());
  m.unlock();
  EXPECT_FALSE(m.owned());
}

TYPED_TEST(Lockable, ScopedLockTakesSeveralWithoutDeadlock) {
  TypeParam second(this->dir_ / "second");
  TypeParam third(this->dir_ / "third");
  auto& first = this->mutex_;
  long count = 0;
  const auto work = [&](auto& a, auto& b, auto& c) {
    for (int i = 0; i < 2000; ++i) {
      const std::scoped_lock guard(a, b, c);
      ++count;
    }
  };
  std::thread one([&] { work(first, second, third); });
  std::thread two([&] { work(third, first, second); });
  std::thread three([&] { work(second, third, first); });
  one.join();
  two.join();
  three.join();
  EXPECT_EQ(count, 6000);
}

TYPED_TEST(Lockable, UniqueLockInAllItsForms) {
  auto& m = this->mutex_;
  std::unique_lock deferred(m, std::defer_lock);
  EXPECT_FALSE(m.owned());
  ASSERT_TRUE(deferred.try_lock_for(1s));
  std::unique_lock moved = std::move(deferred);
  EXPECT_TRUE(m.owned());
  moved.unlock();
  EXPECT_FALSE(m.owned());
  const std::unique_lock tried(m, std::try_to_lock);
  EXPECT_TRUE(tried.owns_lock());
}

TYPED_TEST(Lockable, AnExceptionInsideReleases) {
  try {
    const std::scoped_lock guard(this->mutex_);
    throw std::runtime_error("inside");
  } catch (const std::runtime_error&) {
    EXPECT_FALSE(this->mutex_.owned());
  }
  EXPECT_TRUE(this->mutex_.try_lock());
  this->mutex_.unlock();
}

TYPED_TEST(Lockable, ConditionVariableAnyHandsItOver) {
  auto& m = this->mutex_;
  std::condition_variable_any changed;
  int turn = 0;
  std::thread other([&] {
    for (int i = 1; i < 200; i += 2) {
      std::unique_lock lock(m);
      changed.wait(lock, [&] { return turn == i; });
      EXPECT_TRUE(m.owned());
      ++turn;
      changed.notify_one();
    }
  });
  for (int i = 0; i < 200; i += 2) {
    std::unique_lock lock(m);
    changed.wait(lock, [&] { return turn == i; });
    ++turn;
    changed.notify_one();
  }
  other.join();
  EXPECT_EQ(turn, 200);
}

TYPED_TEST(Lockable, ExcludesThreadsAndProcesses) {
  struct Counter {
    volatile long value;
  };
  support::Shared<Counter> counter;
  constexpr int rounds = 20'000;
  const auto work = [&](TypeParam& m) {
    for (int i = 0; i < rounds; ++i) {
      const std::lock_guard guard(m);
      counter->value = counter->value + 1;
    }
  };
  std::vector<support::Child> children;
  for (int i = 0; i < 3; ++i) {
    children.emplace_back([&] {
      TypeParam m(this->dir_ / "lock");
      std::thread thread([&] { work(m); });
      work(m);
      thread.join();
      return 0;
    });
  }
  work(this->mutex_);
  for (auto& child : children) EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(counter->value, 7 * rounds);
}

TEST(Durations, AreRoundedUpAndCutOff) {
  using shmutex::detail::nanoseconds;
  constexpr auto longest = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(nanoseconds(0s), 0);
  EXPECT_EQ(nanoseconds(-5s), 0);
  EXPECT_EQ(nanoseconds(3ns), 3);
  EXPECT_EQ(nanoseconds(2us), 2000);
  EXPECT_EQ(nanoseconds(24h), 86'400'000'000'000);
  EXPECT_EQ(nanoseconds(std::chrono::nanoseconds::max()), longest);
  EXPECT_EQ(nanoseconds(std::chrono::nanoseconds(longest - 1)), longest - 1);
  EXPECT_EQ(nanoseconds(std::chrono::hours::max()), longest);
  EXPECT_EQ(nanoseconds(std::chrono::hours::min()), 0);
  EXPECT_EQ(nanoseconds(std::chrono::duration<long, std::pico>(1)), 1);
  EXPECT_EQ(nanoseconds(std::chrono::duration<long, std::pico>(2001)), 3);
  EXPECT_EQ(nanoseconds(std::chrono::duration<double>(0.5)), 500'000'000);
  EXPECT_EQ(nanoseconds(std::chrono::duration<double>(1e300)), longest);
  EXPECT_EQ(nanoseconds(std::chrono::duration<double>(std::numeric_limits<double>::infinity())), longest);
  EXPECT_EQ(nanoseconds(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN())), 0);
}

}  // namespace
