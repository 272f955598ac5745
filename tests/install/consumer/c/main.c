/* What a user's C program does with the lock, all of it C99. The lock file is removed again. */
#include <errno.h>
#include <shmutex/shmutex.h>
#include <stdio.h>
#include <string.h>

static unsigned char memory[SHMUTEX_SIZE + SHMUTEX_ALIGN];

static int fail(const char *what, int error) {
  fprintf(stderr, "%s: %s %s\n", what, shmutex_strerror(error), shmutex_error_detail());
  return 1;
}

int main(int argc, char **argv) {
  shmutex_t *m = NULL;
  shmutex_t *in_memory = NULL;
  void *aligned = memory + (SHMUTEX_ALIGN - (size_t)memory % SHMUTEX_ALIGN) % SHMUTEX_ALIGN;
  int error;
  if (argc != 2) return 2;
  error = shmutex_open(&m, argv[1], SHMUTEX_RECURSIVE, 0);
  if (error != 0) return fail("open", error);
  error = shmutex_lock(m);
  if (error != 0) return fail("lock", error);
  error = shmutex_unlock(m);
  if (error != 0) return fail("unlock", error);
  error = shmutex_close(m);
  if (error != 0) return fail("close", error);
  error = shmutex_unlink(argv[1], 0);
  if (error != 0) return fail("unlink", error);
  error = shmutex_attach(&in_memory, aligned, SHMUTEX_SIZE, SHMUTEX_INIT_ONCE);
  if (error != 0) return fail("attach", error);
  if (shmutex_trylock(in_memory) != 0 || shmutex_unlock(in_memory) != 0 || shmutex_close(in_memory) != 0) return 1;
  printf("shmutex %s\n", shmutex_version());
  return 0;
}
