/* open_once PATH: opens the lock and exits with the result. */
#include <shmutex/shmutex.h>

#include <stdio.h>

int main(int argc, char **argv) {
  shmutex_t *m = NULL;
  const int result = shmutex_open(&m, argc > 1 ? argv[1] : NULL, 0, 0);
  if (result != 0) puts(shmutex_error_detail());
  return result;
}
