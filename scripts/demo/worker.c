/* demo-worker-c LEDGER LOCK count N   increments the ledger N times; LOCK "-": without a lock
 * demo-worker-c LEDGER LOCK die       takes the lock, does half an update, says so, and waits to be killed */
#include <errno.h>
#include <shmutex/shmutex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ledger.h"

static void fail(void) {
  fprintf(stderr, "C worker: %s\n", shmutex_error_detail());
  exit(1);
}

static void acquire(shmutex_t *m, int ledger) {
  const int code = shmutex_lock(m);
  if (code == EOWNERDEAD) {
    const int was_half_done = ledger_repair(ledger);
    printf("   C worker %d: the last owner died inside; %s\n", (int)getpid(),
           was_half_done ? "found a half-done update and rolled it back" : "nothing was half done");
    fflush(stdout);
    if (shmutex_consistent(m) != 0) fail();
  } else if (code != 0) {
    fail();
  }
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  const int ledger = ledger_open(argv[1]);
  shmutex_t *m = NULL;
  if (strcmp(argv[2], "-") != 0 && shmutex_open(&m, argv[2], 0, 0) != 0) fail();
  if (strcmp(argv[3], "die") == 0) {
    acquire(m, ledger);
    ledger_write_first(ledger, ledger_read(ledger).first + 1);
    printf("inside\n");
    fflush(stdout);
    for (;;) pause();
  }
  for (long i = argc > 4 ? atol(argv[4]) : 0; i > 0; --i) {
    if (m != NULL) acquire(m, ledger);
    ledger_increment(ledger);
    if (m != NULL && shmutex_unlock(m) != 0) fail();
  }
  return m == NULL || shmutex_close(m) == 0 ? 0 : 1;
}
