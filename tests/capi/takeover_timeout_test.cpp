// What happens when another process stops in the middle of creating, taking over, removing or initialising: after ten
// seconds, EBUSY. The four waits run at once.
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <deque>
#include <functional>

#include "support/calls.h"
#include "support/lock_page.h"
#include "support/support.h"

namespace {

using support::Child;
using support::Handle;
using support::LockPage;
using support::Shared;

// A live process that holds the byte exclusively. Returns the descriptor that holds it.
int hold_byte(const std::string& path, off_t byte) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  struct flock description {};
  description.l_type = F_WRLCK;
  description.l_whence = SEEK_SET;
  description.l_start = byte;
  description.l_len = 1;
  EXPECT_EQ(fcntl(fd, F_OFD_SETLK, &description), 0);
  return fd;
}

TEST(TakeoverTimeout, EndsWithEbusyWhereAProcessStopsInTheMiddle) {
  struct alignas(SHMUTEX_ALIGN) Memory {
    unsigned char bytes[SHMUTEX_SIZE] = {};
  };
  const support::TempDir directory;
  const std::string taken_over = directory / "taken-over";
  const std::string removed = directory / "removed";
  const std::string created = directory / "created";
  LockPage().of_another_boot().write(taken_over);
  LockPage().write(removed);
  LockPage().write(created);
  const int taker = hold_byte(taken_over, 0);
  const int remover = hold_byte(removed, 1);
  const int creator = hold_byte(created, 0);
  Shared<Memory> memory;
  // The baton of a buffer whose initialiser, alive, has just begun.
  const auto self = static_cast<uint32_t>(gettid());
  constexpr size_t baton_offset = sizeof(shmutex::Header) + offsetof(shmutex::SharedLine, baton);
  memcpy(memory->bytes + baton_offset, &self, sizeof self);

  std::deque<Child> waiting;
  waiting.emplace_back([&] { return Handle(taken_over).error(); });
  waiting.emplace_back([&] { return Handle(created).error(); });
  waiting.emplace_back([&] { return shmutex_unlink(removed.c_str(), 0); });
  waiting.emplace_back([&] {
    Handle lock;
    return lock.attach(&*memory, sizeof(Memory), SHMUTEX_INIT_ONCE);
  });
  for (Child& child : waiting) EXPECT_EQ(child.wait(), EBUSY);

  // And when it is done, all goes on.
  for (const int fd : {taker, remover, creator}) close(fd);
  EXPECT_EQ(Handle(taken_over).error(), 0);
  EXPECT_EQ(Handle(created).error(), 0);
  EXPECT_EQ(shmutex_unlink(removed.c_str(), 0), 0);
}

}  // namespace
