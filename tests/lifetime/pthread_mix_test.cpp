// One thread, one robust list: libc's robust mutexes and ours in it together, in every order.
#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "support/test_lock.h"

namespace {

using support::Child;
using support::expectations_status;
using support::Holder;
using support::Kind;
using support::pass_through;
using support::Shared;
using support::TestLock;

// The head of the calling thread's robust list (get_robust_list(2)).
struct ListHead {
  void* list;
  long futex_offset;
  void* pending;
};

void expect_list_empty() {
  ListHead* head = nullptr;
  size_t size = 0;
  ASSERT_EQ(syscall(SYS_get_robust_list, 0, &head, &size), 0);
  EXPECT_EQ(head->list, static_cast<void*>(&head->list));
  EXPECT_EQ(head->pending, nullptr);
}

// A robust mutex of libc's that processes share; with priority inheritance, if told so.
class PthreadMutex {
 public:
  explicit PthreadMutex(bool priority_inheritance) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    if (priority_inheritance) pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&mutex_->value, &attributes);
    pthread_mutexattr_destroy(&attributes);
  }
  pthread_mutex_t* get() { return &mutex_->value; }

 private:
  struct Holder {
    pthread_mutex_t value;
  };
  Shared<Holder> mutex_;
};

// Three locks of which at least one is ours: by index in `locks`, 0-2 ours, 3-4 libc's.
class Mix : public testing::Test {
 protected:
  static constexpr size_t total = 5;

  int lock(size_t which) {
    return which < 3 ? shmutex_lock(ours_[which]->get()) : pthread_mutex_lock(theirs_[which - 3]->get());
  }
  int consistent(size_t which) {
    return which < 3 ? shmutex_consistent(ours_[which]->get()) : pthread_mutex_consistent(theirs_[which - 3]->get());
  }
  int unlock(size_t which) {
    return which < 3 ? shmutex_unlock(ours_[which]->get()) : pthread_mutex_unlock(theirs_[which - 3]->get());
  }

  template <class Visit>
  static void for_each_order_of(std::vector<size_t> chosen, Visit visit) {
    std::sort(chosen.begin(), chosen.end());
    do {
      visit(chosen);
    } while (std::next_permutation(chosen.begin(), chosen.end()));
  }

  template <class Visit>
  static void for_each_choice_of_three(Visit visit) {
    for (size_t a = 0; a < total; ++a) {
      for (size_t b = a + 1; b < total; ++b) {
        for (size_t c = b + 1; c < total; ++c) visit(std::vector<size_t>{a, b, c});
      }
    }
  }

  const std::unique_ptr<TestLock> ours_[3] = {std::make_unique<TestLock>(Kind{0, false}),
                                              std::make_unique<TestLock>(Kind{0, true}),
                                              std::make_unique<TestLock>(Kind{SHMUTEX_FAIR, false})};
  const std::unique_ptr<PthreadMutex> theirs_[2] = {std::make_unique<PthreadMutex>(false),
                                                    std::make_unique<PthreadMutex>(true)};
};

TEST_F(Mix, EveryOrderOfThree) {
  for_each_choice_of_three([&](const std::vector<size_t>& chosen) {
    for_each_order_of(chosen, [&](const std::vector<size_t>& locking) {
      for_each_order_of(chosen, [&](const std::vector<size_t>& unlocking) {
        for (const size_t which : locking) ASSERT_EQ(lock(which), 0);
        for (const size_t which : unlocking) ASSERT_EQ(unlock(which), 0);
        expect_list_empty();
      });
    });
  });
}

// Lock and unlock interleaved at random, long enough for every neighbourhood.
TEST_F(Mix, RandomWalk) {
  std::array<bool, total> held{};
  uint32_t random = 12345;
  for (int i = 0; i < 200'000; ++i) {
    random = random * 1664525 + 1013904223;
    const size_t which = (random >> 16) % total;
    ASSERT_EQ(held[which] ? unlock(which) : lock(which), 0);
    held[which] = !held[which];
  }
  for (size_t which = 0; which < total; ++which) {
    if (!held[which]) continue;
    EXPECT_EQ(unlock(which), 0);
  }
  expect_list_empty();
}

TEST_F(Mix, DeathWithAllThreeHeld) {
  for_each_choice_of_three([&](const std::vector<size_t>& chosen) {
    for_each_order_of(chosen, [&](const std::vector<size_t>& locking) {
      Child owner([&] {
        for (const size_t which : locking) EXPECT_EQ(lock(which), 0);
        return expectations_status();
      });
      ASSERT_EQ(owner.wait(), 0);
      for (const size_t which : chosen) {
        EXPECT_EQ(lock(which), EOWNERDEAD) << which;
        EXPECT_EQ(consistent(which), 0);
        EXPECT_EQ(unlock(which), 0);
      }
    });
  });
}

// One of the three is released before the death: the other two are news, that one is not.
TEST_F(Mix, DeathWithTwoOfThreeHeld) {
  for_each_choice_of_three([&](const std::vector<size_t>& chosen) {
    for_each_order_of(chosen, [&](const std::vector<size_t>& locking) {
      for (const size_t released : chosen) {
        Child owner([&] {
          for (const size_t which : locking) EXPECT_EQ(lock(which), 0);
          EXPECT_EQ(unlock(released), 0);
          return expectations_status();
        });
        ASSERT_EQ(owner.wait(), 0);
        for (const size_t which : chosen) {
          EXPECT_EQ(lock(which), which == released ? 0 : EOWNERDEAD) << which;
          if (which != released) {
            EXPECT_EQ(consistent(which), 0);
          }
          EXPECT_EQ(unlock(which), 0);
        }
      }
    });
  });
}

// Killed while it waits for one with the others held, as head and behind another: the held ones are news, and the one
// waited for goes on.
TEST_F(Mix, DeathWhileWaitingForAnother) {
  for (size_t wanted = 0; wanted < 3; ++wanted) {
    for (const bool behind : {false, true}) {
      ASSERT_EQ(lock(wanted), 0);
      std::vector<Child> head;
      if (behind) {
        head.emplace_back([&] { return pass_through(ours_[wanted]->get()); });
        head.back().wait_until_asleep();
      }
      Child waiter([&] {
        for (size_t which = 0; which < total; ++which) {
          if (which == wanted) continue;
          EXPECT_EQ(lock(which), 0);
        }
        return lock(wanted);
      });
      waiter.wait_until_asleep();
      waiter.kill_and_wait();
      ASSERT_EQ(unlock(wanted), 0);
      for (Child& child : head) EXPECT_EQ(child.wait(), 0);
      for (size_t which = 0; which < total; ++which) {
        EXPECT_EQ(lock(which), which == wanted ? 0 : EOWNERDEAD) << which;
        if (which != wanted) {
          EXPECT_EQ(consistent(which), 0);
        }
        EXPECT_EQ(unlock(which), 0);
      }
    }
  }
}

}  // namespace
