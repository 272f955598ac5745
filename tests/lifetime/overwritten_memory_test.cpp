// A lock in memory that a peer, or the program itself, overwrites while a handle of it is open: what the lock says is
// lost, but no call takes it for a lock file, reads or writes beside it, or crashes.
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <random>

#include "support/test_lock.h"

namespace {

constexpr size_t page = 4096;  // the smallest that a machine has: where a lock file would lie in it
constexpr size_t line = 64;

enum class Filling { zeroes, ones, random };

// A lock at some place of the caller's memory, between canaries and, beyond them, guard pages.
class Fenced {
 public:
  // `offset` is where in the first of two pages the lock begins.
  explicit Fenced(size_t offset) {
    const size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    whole_ = 2 * page + 2 * size;
    base_ = static_cast<unsigned char*>(mmap(nullptr, whole_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    begin_ = base_ + size;
    const size_t usable = (offset + SHMUTEX_SIZE + page - 1) / page * page;
    end_ = begin_ + usable;
    EXPECT_EQ(mprotect(begin_, usable, PROT_READ | PROT_WRITE), 0);
    memory_ = begin_ + offset;
    memset(begin_, canary, usable);
  }
  ~Fenced() { munmap(base_, whole_); }
  Fenced(const Fenced&) = delete;
  Fenced& operator=(const Fenced&) = delete;

  void* memory() const { return memory_; }

  void overwrite(Filling with, std::minstd_rand& random) {
    for (size_t i = 0; i < SHMUTEX_SIZE; ++i) {
      memory_[i] = with == Filling::zeroes ? 0
                   : with == Filling::ones ? 0xff
                                           : static_cast<unsigned char>(random() >> 8);
    }
  }

  bool is_intact_around() const {
    for (const unsigned char* byte = begin_; byte != end_; ++byte) {
      if ((byte < memory_ || byte >= memory_ + SHMUTEX_SIZE) && *byte != canary) return false;
    }
    return true;
  }

 private:
  static constexpr unsigned char canary = 0xa5;
  size_t whole_ = 0;
  unsigned char* base_ = nullptr;
  unsigned char* begin_ = nullptr;
  unsigned char* end_ = nullptr;
  unsigned char* memory_ = nullptr;
};

// In a child, whose crash is told from a wrong answer.
int use_overwritten(size_t offset, Filling with, unsigned seed) {
  std::minstd_rand random(seed);
  Fenced fenced(offset);
  shmutex_t* handle = nullptr;
  if (shmutex_init(fenced.memory(), SHMUTEX_SIZE, 0) != 0) return 2;
  if (shmutex_attach(&handle, fenced.memory(), SHMUTEX_SIZE, 0) != 0) return 3;
  fenced.overwrite(with, random);
  shmutex_info_t info{};
  info.size = sizeof info;
  shmutex_info(handle, &info);
  if (shmutex_is_owned(handle) != 0) return 4;
  if (shmutex_unlock(handle) != EPERM) return 5;
  shmutex_consistent(handle);
  shmutex_poison(handle);
  const int locked = shmutex_timedlock(handle, 5 * support::millisecond);
  const bool held = locked == 0 || locked == EOWNERDEAD;
  if (held && (shmutex_is_owned(handle) != 1 || shmutex_close(handle) != EBUSY)) return 6;
  if (held && shmutex_unlock(handle) != 0) return 7;
  if (shmutex_trylock(handle) == 0) shmutex_unlock(handle);
  shmutex_destroy(fenced.memory(), SHMUTEX_SIZE);
  fenced.overwrite(with, random);
  if (shmutex_close(handle) != 0) return 8;
  if (!fenced.is_intact_around()) return 9;
  // Forgotten: what lies here is a lock of its own again.
  if (shmutex_init(fenced.memory(), SHMUTEX_SIZE, 0) != 0) return 10;
  if (shmutex_attach(&handle, fenced.memory(), SHMUTEX_SIZE, 0) != 0) return 11;
  if (support::pass_through(handle) != 0 || shmutex_close(handle) != 0) return 12;
  if (shmutex_destroy(fenced.memory(), SHMUTEX_SIZE) != 0) return 13;
  return fenced.is_intact_around() ? 0 : 14;
}

class OverwrittenMemory : public testing::TestWithParam<Filling> {};

TEST_P(OverwrittenMemory, IsNotTakenForALockFile) {
  // The last but one is where the object of a lock file would lie; the last ends directly before a guard page.
  for (const size_t offset :
       {size_t{0}, line, page - 4 * line, page - 2 * line, page - 3 * line, 2 * page - 4 * line}) {
    const unsigned seeds = GetParam() == Filling::random ? 8 : 1;
    for (unsigned seed = 1; seed <= seeds; ++seed) {
      support::Child child([&] { return use_overwritten(offset, GetParam(), seed); });
      EXPECT_EQ(child.wait(), 0) << "at " << offset << ", seed " << seed;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Fillings, OverwrittenMemory, testing::Values(Filling::zeroes, Filling::ones, Filling::random),
                         [](const testing::TestParamInfo<Filling>& filling) {
                           return filling.param == Filling::zeroes ? "Zeroes"
                                  : filling.param == Filling::ones ? "Ones"
                                                                   : "Random";
                         });

}  // namespace
