// Locks in memory that the caller brings: of every kind, at any address.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#include <deque>
#include <random>
#include <thread>

#include "support/calls.h"
#include "support/lock_page.h"
#include "support/namespaces.h"
#include "support/support.h"

namespace {

using support::Child;
using support::Flag;
using support::Handle;
using support::info_of;
using support::Shared;

struct alignas(SHMUTEX_ALIGN) Memory {
  unsigned char bytes[SHMUTEX_SIZE] = {};
};

struct Account {
  std::atomic<int> inside{0};
  std::atomic<int> overlaps{0};
  Flag held;
};

constexpr size_t page = 4096;

// Four processes, each with a mapping of its own that map() makes: one lock, and the owner's death is noticed.
void expect_one_lock(const std::function<void*()>& map) {
  void* const memory = map();
  ASSERT_NE(memory, MAP_FAILED);
  ASSERT_EQ(CALL(shmutex_init(memory, page, 0)), 0);
  Handle lock;
  ASSERT_EQ(CALL(lock.attach(memory, page)), 0);
  Shared<Account> account;
  std::deque<Child> users;
  for (int i = 0; i < 4; ++i) {
    users.emplace_back([&, i] {
      // Elsewhere in each process.
      mmap(nullptr, page * static_cast<size_t>(i + 1), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      Handle its;
      CHILD_REQUIRE(its.attach(map(), page) == 0);
      for (int k = 0; k < 2000; ++k) {
        CHILD_REQUIRE(shmutex_lock(its) == 0);
        if (account->inside.fetch_add(1) != 0) ++account->overlaps;
        account->inside.fetch_sub(1);
        CHILD_REQUIRE(shmutex_unlock(its) == 0);
      }
      return 0;
    });
  }
  for (Child& user : users) EXPECT_EQ(user.wait(), 0);
  EXPECT_EQ(account->overlaps, 0);
  Child owner([&] {
    Handle its;
    CHILD_REQUIRE(its.attach(map(), page) == 0 && shmutex_lock(its) == 0);
    account->held.raise();
    for (;;) support::sleep_ms(1000);
    return 0;
  });
  account->held.wait();
  EXPECT_EQ(CALL(shmutex_trylock(lock)), EBUSY);
  EXPECT_EQ(CALL(shmutex_destroy(memory, page)), EBUSY);
  owner.kill_and_wait();
  EXPECT_EQ(CALL(shmutex_lock(lock)), EOWNERDEAD);
  EXPECT_EQ(CALL(shmutex_consistent(lock)), 0);
  EXPECT_EQ(CALL(shmutex_unlock(lock)), 0);
  lock.close();
  EXPECT_EQ(CALL(shmutex_destroy(memory, page)), 0);
}

TEST(Buffers, InAnonymousSharedMemory) {
  void* const memory = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  // A forked child has it at the same address, or may move it.
  const pid_t parent = getpid();
  expect_one_lock([&] { return getpid() == parent ? memory : mremap(memory, page, page, MREMAP_MAYMOVE); });
  munmap(memory, page);
}

TEST(Buffers, InAMemfd) {
  const int fd = memfd_create("lock", MFD_CLOEXEC);
  ASSERT_EQ(ftruncate(fd, page), 0);
  expect_one_lock([&] { return mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0); });
  close(fd);
}

TEST(Buffers, InShmOpenMemory) {
  const std::string name = "/shmutex-test-" + std::to_string(getpid());
  const int fd = shm_open(name.c_str(), O_CREAT | O_EXCL | O_RDWR, 0600);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(ftruncate(fd, page), 0);
  expect_one_lock([&] { return mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0); });
  close(fd);
  shm_unlink(name.c_str());
}

TEST(Buffers, InSystemVMemory) {
  const int id = shmget(IPC_PRIVATE, page, IPC_CREAT | 0600);
  ASSERT_GE(id, 0);
  expect_one_lock([&] { return shmat(id, nullptr, 0); });
  shmctl(id, IPC_RMID, nullptr);
}

TEST(Buffers, InAMappedFile) {
  const support::TempDir directory;
  const int fd = open((directory / "data").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  ASSERT_EQ(ftruncate(fd, page), 0);
  expect_one_lock([&] { return mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0); });
  close(fd);
}

TEST(Buffers, InPrivateMemoryForTheThreadsOfOneProcess) {
  Memory memory;
  ASSERT_EQ(shmutex_init(&memory, sizeof memory, 0), 0);
  Handle lock;
  ASSERT_EQ(lock.attach(&memory, sizeof memory), 0);
  int64_t counter = 0;
  std::deque<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 5000; ++k) {
        ASSERT_EQ(shmutex_lock(lock), 0);
        ++counter;
        ASSERT_EQ(shmutex_unlock(lock), 0);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter, 20'000);
}

TEST(Buffers, PrivateMemoryOfAForkedChildIsAnotherLock) {
  Memory memory;
  ASSERT_EQ(shmutex_init(&memory, sizeof memory, 0), 0);
  Handle lock;
  ASSERT_EQ(lock.attach(&memory, sizeof memory), 0);
  Child child([&] {
    CHILD_REQUIRE(shmutex_lock(lock) == 0 && shmutex_unlock(lock) == 0 && shmutex_lock(lock) == 0);
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(shmutex_lock(lock), 0);
}

TEST(Buffers, GarbageIsRefusedAndNotWritten) {
  std::mt19937_64 random(1);
  Handle lock;
  for (int round = 0; round < 200; ++round) {
    Memory memory;
    for (unsigned char& byte : memory.bytes) byte = static_cast<unsigned char>(random());
    const Memory before = memory;
    EXPECT_EQ(CALL(lock.attach(&memory, sizeof memory)), EBADMSG);
    EXPECT_EQ(CALL(lock.attach(&memory, sizeof memory, SHMUTEX_INIT_ONCE | SHMUTEX_ANY_ATTR)), EBADMSG);
    EXPECT_EQ(CALL(shmutex_destroy(&memory, sizeof memory)), EBADMSG);
    EXPECT_EQ(memcmp(&memory, &before, sizeof memory), 0);
  }
}

TEST(Buffers, ZeroedMemoryIsNoLockUntilSomebodyInitialisesIt) {
  Memory memory;
  Handle lock;
  EXPECT_EQ(CALL(lock.attach(&memory, sizeof memory)), EBADMSG);
  EXPECT_EQ(CALL(shmutex_destroy(&memory, sizeof memory)), EBADMSG);
  for (const unsigned char byte : memory.bytes) ASSERT_EQ(byte, 0);
  EXPECT_EQ(CALL(lock.attach(&memory, sizeof memory, SHMUTEX_INIT_ONCE)), 0);
  EXPECT_EQ(shmutex_lock(lock), 0);
}

TEST(Buffers, AlmostZeroedMemoryIsNotInitialised) {
  for (size_t position = 0; position < SHMUTEX_SIZE; ++position) {
    constexpr size_t baton = sizeof(shmutex::Header) + offsetof(shmutex::SharedLine, baton);
    if (position >= baton && position < baton + 4) continue;  // looks like an initialiser at work
    Memory memory;
    memory.bytes[position] = 1;
    const Memory before = memory;
    Handle lock;
    EXPECT_EQ(CALL(lock.attach(&memory, sizeof memory, SHMUTEX_INIT_ONCE)), EBADMSG) << position;
    EXPECT_EQ(memcmp(&memory, &before, sizeof memory), 0) << position;
  }
}

TEST(Buffers, AnyMemoryCanBeInitialisedAnew) {
  Memory memory;
  memset(static_cast<void*>(&memory), 0xa5, sizeof memory);
  Handle lock;
  for (const unsigned attributes : {0u, 1u, 2u, 3u}) {
    EXPECT_EQ(CALL(shmutex_init(&memory, sizeof memory, attributes)), 0);
    EXPECT_EQ(lock.attach(&memory, sizeof memory, attributes), 0);
    EXPECT_EQ(shmutex_lock(lock), 0);
    EXPECT_EQ(shmutex_poison(lock), 0);
    lock.close();
  }
}

TEST(Buffers, AttributesMustBeThoseAskedFor) {
  for (const unsigned made : {0u, 1u, 2u, 3u}) {
    Memory memory;
    ASSERT_EQ(shmutex_init(&memory, sizeof memory, made), 0);
    for (const unsigned asked : {0u, 1u, 2u, 3u}) {
      Handle lock;
      EXPECT_EQ(CALL(lock.attach(&memory, sizeof memory, asked)), made == asked ? 0 : EPROTOTYPE);
      EXPECT_EQ(CALL(lock.attach(&memory, sizeof memory, asked | SHMUTEX_INIT_ONCE)), made == asked ? 0 : EPROTOTYPE);
      EXPECT_EQ(CALL(lock.attach(&memory, sizeof memory, asked | SHMUTEX_ANY_ATTR)), 0);
    }
  }
}

// The header of a buffer, edited.
void edit_header(Memory& memory, const std::function<void(shmutex::Header&, shmutex::TidScope&)>& edit) {
  shmutex::Header header{};
  memcpy(&header, &memory, sizeof header);
  shmutex::TidScope scope{};
  memcpy(scope.boot_id, header.boot_id, sizeof scope.boot_id);
  scope.pid_namespace = header.pid_namespace;
  edit(header, scope);
  memcpy(header.boot_id, scope.boot_id, sizeof header.boot_id);
  header.pid_namespace = scope.pid_namespace;
  shmutex::seal(header);
  memcpy(static_cast<void*>(&memory), &header, sizeof header);
}

void expect_refused(int code, const std::function<void(shmutex::Header&, shmutex::TidScope&)>& edit) {
  Memory memory;
  ASSERT_EQ(shmutex_init(&memory, sizeof memory, 0), 0);
  edit_header(memory, edit);
  const Memory before = memory;
  Handle lock;
  EXPECT_EQ(CALL(lock.attach(&memory, sizeof memory)), code);
  EXPECT_EQ(CALL(lock.attach(&memory, sizeof memory, SHMUTEX_INIT_ONCE)), code);
  EXPECT_EQ(CALL(shmutex_destroy(&memory, sizeof memory)), code);
  EXPECT_EQ(memcmp(&memory, &before, sizeof memory), 0);
  EXPECT_EQ(CALL(shmutex_init(&memory, sizeof memory, 0)), 0);
  EXPECT_EQ(CALL(lock.attach(&memory, sizeof memory)), 0);
  EXPECT_EQ(shmutex_lock(lock), 0);
}

TEST(Buffers, OfAnEarlierBootAreStale) {
  expect_refused(ESTALE, [](auto&, auto& scope) { scope.boot_id[3] = static_cast<uint8_t>(~scope.boot_id[3]); });
}

TEST(Buffers, OfAnotherPidNamespaceAreStale) {
  expect_refused(ESTALE, [](auto&, auto& scope) { ++scope.pid_namespace; });
}

TEST(Buffers, OfARealOtherPidNamespaceAreStale) {
  SKIP_WITHOUT_NAMESPACES();
  Shared<Memory> memory;
  Child other([&] {
    CHILD_REQUIRE(support::enter_pid_namespace_with_children());
    return support::wait_for(support::fork_running([&] { return shmutex_init(&*memory, sizeof(Memory), 0); }));
  });
  ASSERT_EQ(other.wait(), 0);
  Handle lock;
  EXPECT_EQ(lock.attach(&*memory, sizeof(Memory)), ESTALE);
}

TEST(Buffers, OfAnotherFormatAreRefused) {
  expect_refused(EPROTONOSUPPORT, [](auto& header, auto&) { header.version = 2; });
  expect_refused(EPROTONOSUPPORT, [](auto& header, auto&) { header.futex_offset = -28; });
  expect_refused(EPROTONOSUPPORT, [](auto& header, auto&) { header.word_offset = 0; });
  expect_refused(EPROTONOSUPPORT, [](auto& header, auto&) { header.unit_size = 512; });
  expect_refused(EPROTONOSUPPORT, [](auto& header, auto&) { header.magic = __builtin_bswap64(header.magic); });
}

TEST(Buffers, LockFileIsNoBuffer) {
  alignas(SHMUTEX_ALIGN) unsigned char memory[65536] = {};
  const std::string bytes = support::LockPage().bytes();
  memcpy(memory, bytes.data(), bytes.size());
  Handle lock;
  EXPECT_EQ(lock.attach(memory, sizeof memory), EBADMSG);
}

TEST(Buffers, DestroyedLocksTellTheirHandlesAndCannotBeAttached) {
  Memory memory;
  ASSERT_EQ(shmutex_init(&memory, sizeof memory, 0), 0);
  Handle lock;
  ASSERT_EQ(lock.attach(&memory, sizeof memory), 0);
  EXPECT_EQ(CALL(shmutex_destroy(&memory, sizeof memory)), 0);
  EXPECT_EQ(CALL(shmutex_lock(lock)), EIDRM);
  EXPECT_EQ(CALL(shmutex_trylock(lock)), EIDRM);
  EXPECT_EQ(info_of(lock).state, static_cast<uint32_t>(SHMUTEX_STATE_RETIRED));
  Handle other;
  EXPECT_EQ(other.attach(&memory, sizeof memory), EBADMSG);
  EXPECT_EQ(other.attach(&memory, sizeof memory, SHMUTEX_INIT_ONCE), EBADMSG);
  EXPECT_EQ(CALL(shmutex_destroy(&memory, sizeof memory)), EBADMSG);
  lock.close();
  EXPECT_EQ(CALL(shmutex_init(&memory, sizeof memory, 0)), 0);
  EXPECT_EQ(other.attach(&memory, sizeof memory), 0);
}

TEST(Buffers, DestroyIsRefusedWhileHeldAndGoesThroughOtherwise) {
  for (const unsigned attributes : {0u, 1u, 2u, 3u}) {
    Shared<Memory> memory;
    ASSERT_EQ(shmutex_init(&*memory, sizeof(Memory), attributes), 0);
    Handle lock;
    ASSERT_EQ(lock.attach(&*memory, sizeof(Memory), attributes), 0);
    ASSERT_EQ(shmutex_lock(lock), 0);
    EXPECT_EQ(CALL(shmutex_destroy(&*memory, sizeof(Memory))), EBUSY);
    std::thread([&] { EXPECT_EQ(CALL(shmutex_destroy(&*memory, sizeof(Memory))), EBUSY); }).join();
    ASSERT_EQ(shmutex_poison(lock), 0);
    EXPECT_EQ(CALL(shmutex_destroy(&*memory, sizeof(Memory))), EBUSY);
    ASSERT_EQ(shmutex_unlock(lock), 0);
    EXPECT_EQ(CALL(shmutex_destroy(&*memory, sizeof(Memory))), 0);  // a poisoned one

    ASSERT_EQ(shmutex_init(&*memory, sizeof(Memory), attributes), 0);
    Child owner([&] { return shmutex_lock(lock); });
    ASSERT_EQ(owner.wait(), 0);
    EXPECT_EQ(CALL(shmutex_destroy(&*memory, sizeof(Memory))), 0);  // one whose owner died
    EXPECT_EQ(CALL(shmutex_lock(lock)), EIDRM);
  }
}

TEST(Buffers, AttachedTwiceAreOneLockAndClosedTwice) {
  Memory memory;
  ASSERT_EQ(shmutex_init(&memory, sizeof memory, 0), 0);
  shmutex_t* first = nullptr;
  shmutex_t* second = nullptr;
  ASSERT_EQ(shmutex_attach(&first, &memory, sizeof memory, 0), 0);
  ASSERT_EQ(shmutex_attach(&second, &memory, sizeof memory, 0), 0);
  ASSERT_EQ(shmutex_lock(first), 0);
  EXPECT_EQ(shmutex_is_owned(second), 1);
  EXPECT_EQ(CALL(shmutex_close(second)), 0);
  EXPECT_EQ(CALL(shmutex_close(first)), EBUSY);
  EXPECT_EQ(shmutex_unlock(first), 0);
  EXPECT_EQ(CALL(shmutex_close(first)), 0);
  // The lock is there still.
  ASSERT_EQ(shmutex_attach(&first, &memory, sizeof memory, 0), 0);
  EXPECT_EQ(shmutex_lock(first), 0);
  EXPECT_EQ(shmutex_unlock(first), 0);
  EXPECT_EQ(shmutex_close(first), 0);
}

TEST(Buffers, TwoMappingsInOneProcessAreOneLock) {
  const int fd = memfd_create("lock", MFD_CLOEXEC);
  ASSERT_EQ(ftruncate(fd, page), 0);
  void* const a = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  void* const b = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  Handle first;
  Handle second;
  ASSERT_EQ(first.attach(a, page, SHMUTEX_INIT_ONCE), 0);
  ASSERT_EQ(second.attach(b, page, SHMUTEX_INIT_ONCE), 0);
  ASSERT_EQ(shmutex_lock(first), 0);
  EXPECT_EQ(shmutex_lock(second), EDEADLK);
  EXPECT_EQ(shmutex_trylock(second), EBUSY);
  std::thread([&] { EXPECT_EQ(shmutex_trylock(second), EBUSY); }).join();
  EXPECT_EQ(shmutex_unlock(first), 0);
  EXPECT_EQ(shmutex_lock(second), 0);
  EXPECT_EQ(shmutex_unlock(second), 0);
  first.close();
  second.close();
  munmap(a, page);
  munmap(b, page);
  close(fd);
}

TEST(Buffers, HundredThousandLocksInOneBuffer) {
  constexpr size_t count = 100'000;
  constexpr size_t size = count * SHMUTEX_SIZE;
  auto* const memory =
      static_cast<unsigned char*>(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(memory, MAP_FAILED);
  const size_t descriptors = support::open_descriptors();
  std::vector<shmutex_t*> locks(count);
  for (size_t i = 0; i < count; ++i) {
    ASSERT_EQ(shmutex_attach(&locks[i], memory + i * SHMUTEX_SIZE, SHMUTEX_SIZE, SHMUTEX_INIT_ONCE), 0);
  }
  for (shmutex_t* const lock : locks) ASSERT_EQ(shmutex_lock(lock) | shmutex_unlock(lock), 0);
  for (size_t i = 0; i < 1000; ++i) ASSERT_EQ(shmutex_lock(locks[i * 97]), 0);
  Child other([&] {
    size_t busy = 0;
    for (shmutex_t* const lock : locks) {
      const int result = shmutex_trylock(lock);
      CHILD_REQUIRE(result == 0 || result == EBUSY);
      if (result == EBUSY) {
        ++busy;
      } else {
        CHILD_REQUIRE(shmutex_unlock(lock) == 0);
      }
    }
    CHILD_REQUIRE(busy == 1000);
    return 0;
  });
  EXPECT_EQ(other.wait(), 0);
  for (size_t i = 1000; i-- > 0;) ASSERT_EQ(shmutex_unlock(locks[i * 97]), 0);
  for (shmutex_t* const lock : locks) ASSERT_EQ(shmutex_close(lock), 0);
  EXPECT_EQ(support::open_descriptors(), descriptors);
  munmap(memory, size);
}

}  // namespace
