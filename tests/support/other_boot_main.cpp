// test_other_boot DIRECTORY PATH: a process of another boot, executed since the library reads the boot id once. Says
// 'r' when its scope is ready, opens and acquires the lock when it is told to, answers with the result, and stays until
// its input ends.
#include <unistd.h>

#include "support/calls.h"
#include "support/namespaces.h"

int main(int argc, char** argv) {
  if (argc != 3 || !support::enter_mount_namespace() || !support::fake_boot_id(argv[1])) return 1;
  char byte = 'r';
  if (write(STDOUT_FILENO, &byte, 1) != 1 || read(STDIN_FILENO, &byte, 1) != 1) return 1;
  support::Handle lock(argv[2]);
  const int result = lock.error() != 0 ? lock.error() : shmutex_lock(lock);
  byte = static_cast<char>(result);
  if (write(STDOUT_FILENO, &byte, 1) != 1) return 1;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
    if (byte == 'u' && shmutex_unlock(lock) != 0) return 1;
    if (write(STDOUT_FILENO, &byte, 1) != 1) return 1;
  }
  return 0;
}
