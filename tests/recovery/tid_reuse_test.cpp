// A thread dies inside, and another one gets its TID: a new thread, not the old owner.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "support/test_lock.h"

namespace {

using support::all_kinds;
using support::Child;
using support::expectations_status;
using support::info_of;
using support::Kind;
using support::param_name;
using support::pass_through;
using support::TestLock;

bool make_next_tid(pid_t tid) {
  const int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const std::string last = std::to_string(tid - 1);
  const bool written = write(fd, last.data(), last.size()) == static_cast<ssize_t>(last.size());
  close(fd);
  return written;
}

struct Task {
  pid_t only_as;  // 0: any TID will do
  pid_t tid;
  const std::function<void()>* body;
};

void* run(void* argument) {
  auto& task = *static_cast<Task*>(argument);
  task.tid = gettid();
  if (task.only_as == 0 || task.only_as == task.tid) (*task.body)();
  return nullptr;
}

// Runs body in a thread, and returns its TID.
pid_t run_in_thread(pid_t only_as, const std::function<void()>& body) {
  Task task{only_as, 0, &body};
  pthread_t thread{};
  EXPECT_EQ(pthread_create(&thread, nullptr, run, &task), 0);
  pthread_join(thread, nullptr);
  return task.tid;
}

// Runs body in a new thread that has this TID, the former bearer being dead, or about to be.
void run_as(pid_t tid, const std::function<void()>& body) {
  do {
    ASSERT_TRUE(make_next_tid(tid));
  } while (run_in_thread(tid, body) != tid);
}

class TidReuse : public testing::TestWithParam<Kind> {
 protected:
  // In a PID namespace of its own, where nobody else takes the TIDs; as a child of that namespace's first process.
  static int run_in_own_namespace(const std::function<int()>& body) {
    Child outside([&] {
      if (unshare(CLONE_NEWPID) != 0) return 2;
      const pid_t first = fork();  // no support::Child: it would not see its parent from in there
      if (first == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(Child(body).wait());
      }
      int status = 0;
      while (waitpid(first, &status, 0) < 0) {
      }
      return WIFEXITED(status) ? WEXITSTATUS(status) : 4;
    });
    return outside.wait();
  }
};

TEST_P(TidReuse, NewBearerOwnsNothingAndIsTold) {
  const Kind kind = GetParam();
  const int status = run_in_own_namespace([&] {
    TestLock lock(kind);
    shmutex_t* const m = lock.get();
    const pid_t dead = run_in_thread(0, [m] { EXPECT_EQ(shmutex_lock(m), 0); });
    for (int i = 0; i < 5; ++i) {
      run_as(dead, [&] {
        EXPECT_EQ(shmutex_is_owned(m), 0);
        EXPECT_EQ(shmutex_unlock(m), EPERM);
        EXPECT_EQ(shmutex_consistent(m), EPERM);
        EXPECT_EQ(shmutex_poison(m), EPERM);
        const int result = i == 0 ? shmutex_trylock(m) : shmutex_lock(m);
        EXPECT_EQ(result, EOWNERDEAD);
        EXPECT_EQ(shmutex_is_owned(m), 1);
        EXPECT_EQ(info_of(m).depth, 1u);
        EXPECT_EQ(info_of(m).last_dead_tid, dead);
        EXPECT_EQ(info_of(m).owner_tid, dead);
        // Dies inside itself.
      });
    }
    run_as(dead, [&] {
      EXPECT_EQ(pass_through(m), EOWNERDEAD);
      EXPECT_EQ(pass_through(m), 0);
    });
    return expectations_status();
  });
  EXPECT_EQ(status, 0);
}

// A recursive hold three deep is not inherited either.
TEST_P(TidReuse, DepthIsNotInherited) {
  const Kind kind{GetParam().attributes | SHMUTEX_RECURSIVE, GetParam().in_buffer};
  const int status = run_in_own_namespace([&] {
    TestLock lock(kind);
    shmutex_t* const m = lock.get();
    const pid_t dead = run_in_thread(0, [m] {
      for (int i = 0; i < 3; ++i) EXPECT_EQ(shmutex_lock(m), 0);
    });
    run_as(dead, [&] {
      EXPECT_EQ(shmutex_lock(m), EOWNERDEAD);
      EXPECT_EQ(info_of(m).depth, 1u);
      EXPECT_EQ(shmutex_unlock(m), 0);
      EXPECT_EQ(shmutex_unlock(m), EPERM);
    });
    return expectations_status();
  });
  EXPECT_EQ(status, 0);
}

// The new bearer belongs to another process.
TEST_P(TidReuse, ByAnotherProcess) {
  const Kind kind = GetParam();
  const int status = run_in_own_namespace([&] {
    TestLock lock(kind);
    shmutex_t* const m = lock.get();
    const pid_t dead = run_in_thread(0, [m] { EXPECT_EQ(shmutex_lock(m), 0); });
    for (;;) {
      EXPECT_TRUE(make_next_tid(dead));
      Child other([&] {
        if (getpid() != dead) return 3;
        EXPECT_EQ(shmutex_is_owned(m), 0);
        EXPECT_EQ(shmutex_unlock(m), EPERM);
        EXPECT_EQ(shmutex_lock(m), EOWNERDEAD);
        EXPECT_EQ(info_of(m).owner_pid, dead);
        EXPECT_EQ(shmutex_consistent(m), 0);
        EXPECT_EQ(shmutex_unlock(m), 0);
        return expectations_status();
      });
      if (const int ended = other.wait(); ended != 3) return ended == 0 ? expectations_status() : ended;
    }
  });
  EXPECT_EQ(status, 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, TidReuse, testing::ValuesIn(all_kinds()), param_name);

}  // namespace
