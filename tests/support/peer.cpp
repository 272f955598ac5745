// A process that shares nothing with the test but the lock: exec'd, not forked.
//   test_peer <lock> <attributes> pass           lock, consistent if need be, unlock; exit status: what lock returned
//   test_peer <lock> <attributes> hold <fd>      locks, writes a byte to fd, sleeps until killed
//   test_peer <lock> <attributes> count <n> <fd> n times: adds 1 to the number at the start of fd's file, under the lock
// <lock>: a path, or the number of a descriptor of the buffer's memory.
#include <ctype.h>
#include <errno.h>
#include <shmutex/shmutex.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

namespace {

shmutex_t* open_lock(const char* address, unsigned attributes) {
  shmutex_t* m = nullptr;
  if (isdigit(static_cast<unsigned char>(address[0])) == 0) {
    return shmutex_open(&m, address, attributes | SHMUTEX_MUST_EXIST, 0) == 0 ? m : nullptr;
  }
  void* const memory = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(address), 0);
  if (memory == MAP_FAILED) return nullptr;
  return shmutex_attach(&m, memory, 4096, attributes) == 0 ? m : nullptr;
}

int pass(shmutex_t* m) {
  const int result = shmutex_lock(m);
  if (result == EOWNERDEAD && shmutex_consistent(m) != 0) return 201;
  if ((result == 0 || result == EOWNERDEAD) && shmutex_unlock(m) != 0) return 202;
  return shmutex_close(m) == 0 ? result : 203;
}

int hold(shmutex_t* m, int fd) {
  const int result = shmutex_lock(m);
  if (result != 0 || write(fd, "h", 1) != 1) return 204;
  for (;;) pause();
}

int count(shmutex_t* m, int n, int fd) {
  void* const memory = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return 205;
  auto* const number = static_cast<volatile uint64_t*>(memory);
  for (int i = 0; i < n; ++i) {
    if (shmutex_lock(m) != 0) return 206;
    *number = *number + 1;
    if (shmutex_unlock(m) != 0) return 207;
  }
  return shmutex_close(m) == 0 ? 0 : 208;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 209;
  shmutex_t* const m = open_lock(argv[1], static_cast<unsigned>(atoi(argv[2])));
  if (m == nullptr) return 210;
  if (strcmp(argv[3], "pass") == 0) return pass(m);
  if (strcmp(argv[3], "hold") == 0 && argc > 4) return hold(m, atoi(argv[4]));
  if (strcmp(argv[3], "count") == 0 && argc > 5) return count(m, atoi(argv[4]), atoi(argv[5]));
  return 209;
}
