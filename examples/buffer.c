/* A lock inside the data structure that it protects, in shared memory. No file, no name. */
#define _DEFAULT_SOURCE
#include <shmutex/shmutex.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { processes = 4, rounds = 100000 };

/* Page-aligned memory is aligned enough; elsewhere, see to SHMUTEX_ALIGN. */
struct table {
  unsigned char lock[SHMUTEX_SIZE];
  long count;
};

/* Every process attaches for itself, at whatever address the memory has there. SHMUTEX_INIT_ONCE: the first one makes
 * the lock of the zeroed memory, and there is no telling, nor need to tell, which one that is. */
static int work(struct table *table) {
  shmutex_t *m;
  int error = shmutex_attach(&m, table->lock, sizeof table->lock, SHMUTEX_INIT_ONCE);
  for (int i = 0; error == 0 && i < rounds; ++i) {
    error = shmutex_lock(m); /* EOWNERDEAD ends this example: see recovery.c */
    if (error != 0) break;
    table->count++;
    error = shmutex_unlock(m);
  }
  if (error != 0) return fprintf(stderr, "%s\n", shmutex_error_detail()), 1;
  return shmutex_close(m);
}

int main(void) {
  struct table *table = mmap(NULL, sizeof *table, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (table == MAP_FAILED) return 1;
  for (int i = 0; i < processes; ++i) {
    pid_t child = fork();
    if (child < 0) return 1;
    if (child == 0) _exit(work(table));
  }
  while (wait(NULL) > 0) {
  }
  printf("%d processes, %d times each: %ld\n", processes, rounds, table->count);
  if (shmutex_destroy(table->lock, sizeof table->lock) != 0) return 1;
  return table->count == (long)processes * rounds ? 0 : 1;
}
