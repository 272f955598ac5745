#include <errno.h>
#include <shmutex/shmutex.h>
#include <stdio.h>

int main(void) {
  shmutex_t *m;
  int n = 1, error = shmutex_open(&m, "/dev/shm/counter.lock", 0, 0);
  if (error == 0) error = shmutex_lock(m);
  if (error == EOWNERDEAD) error = shmutex_consistent(m); /* held; repair the data before this line */
  if (error != 0) return fprintf(stderr, "%s\n", shmutex_error_detail()), 1;
  FILE *runs = fopen("/dev/shm/counter", "a+"); /* what the lock protects: one dot a run */
  while (runs != NULL && getc(runs) != EOF) ++n;
  if (runs != NULL && fputs(".", runs) >= 0 && fclose(runs) == 0) printf("run number %d\n", n);
  return shmutex_unlock(m) + shmutex_close(m);
}
