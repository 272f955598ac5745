// What a user's C++ program does with the lock.
#include <shmutex/shmutex.hpp>

#include <cstdio>
#include <mutex>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  {
    shmutex::mutex m(argv[1]);
    const std::scoped_lock guard(m);
    if (!m.owned()) return 1;
  }
  shmutex::unlink(argv[1]);
  std::printf("shmutex %s\n", shmutex_version());
}
