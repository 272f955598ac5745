/* A C program that shares a lock, and a pair of numbers under it, with other languages. The file of numbers says the
 * same one twice; whoever dies between the two writes leaves it half changed.
 *
 *   lua_test_worker LOCK NUMBERS increment COUNT
 *   lua_test_worker LOCK NUMBERS die            half-way through a change, by SIGKILL
 */
#include <errno.h>
#include <shmutex/shmutex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(int code, const char *what) {
  if (code == 0) return;
  fprintf(stderr, "%s: %s\n", what, shmutex_error_detail());
  exit(1);
}

static void write_number(FILE *file, int which, long value) {
  fseek(file, which * 21L, SEEK_SET);
  fprintf(file, "%020ld\n", value);
  fflush(file);
}

static long read_number(FILE *file, int which) {
  char text[32] = "";
  fseek(file, which * 21L, SEEK_SET);
  return fgets(text, sizeof text, file) == NULL ? -1 : strtol(text, NULL, 10);
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  const int dies = strcmp(argv[3], "die") == 0;
  const long count = dies ? 1 : strtol(argv[4], NULL, 10);
  shmutex_t *m = NULL;
  check(shmutex_open(&m, argv[1], 0, 0), "open");
  for (long i = 0; i < count; ++i) {
    const int code = shmutex_lock(m);
    FILE *const file = fopen(argv[2], "r+");
    if (file == NULL) return 3;
    if (code == EOWNERDEAD) {
      write_number(file, 0, read_number(file, 1));
      check(shmutex_consistent(m), "consistent");
    } else {
      check(code, "lock");
    }
    const long value = read_number(file, 0);
    if (value != read_number(file, 1)) return 4;
    write_number(file, 0, value + 1);
    if (dies) raise(SIGKILL);
    write_number(file, 1, value + 1);
    fclose(file);
    check(shmutex_unlock(m), "unlock");
  }
  check(shmutex_close(m), "close");
  return 0;
}
