/* Threads that share counters under locks of every kind: main DIRECTORY [race]. A race detector has nothing to report; or,
   with "race", the one access that no lock orders. */
#include <pthread.h>
#include <shmutex/shmutex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { THREADS = 2, KINDS = 6, ROUNDS = 50, OPENS = 3 };

static struct {
  shmutex_t *lock;
  char path[300];
  unsigned flags;
  long counter;
} kinds[KINDS];
static long unprotected;
static int races;

static void must(int error) {
  if (error == 0) return;
  fprintf(stderr, "%s\n", shmutex_error_detail());
  exit(2);
}

/* Longer than a waiter spins, now and then, so that both ways are taken: with a sleep in between, and without. */
static void linger(int round) {
  const struct timespec while_others_sleep = {0, 2000000};
  if (round % 25 == 0) nanosleep(&while_others_sleep, NULL);
}

static void *work(void *unused) {
  if (races) ++unprotected; /* before any lock, so that whatever runs first, nothing orders it */
  for (int round = 0; round < ROUNDS; ++round) {
    for (int i = 0; i < KINDS; ++i) {
      must(round % 2 == 0 ? shmutex_lock(kinds[i].lock) : shmutex_timedlock(kinds[i].lock, 60000000000));
      ++kinds[i].counter;
      linger(round);
      must(shmutex_unlock(kinds[i].lock));
    }
  }
  for (int round = 0; round < OPENS; ++round) {
    for (int i = 0; i < KINDS; ++i) {
      shmutex_t *mine;
      if (kinds[i].path[0] == '\0') continue;
      must(shmutex_open(&mine, kinds[i].path, kinds[i].flags, 0));
      must(shmutex_lock(mine));
      ++kinds[i].counter;
      must(shmutex_unlock(mine));
      shmutex_info_t info = {.size = sizeof info};
      must(shmutex_info(mine, &info));
      must(shmutex_close(mine));
    }
  }
  (void)shmutex_unlock(kinds[0].lock); /* an error: its text is made in each thread */
  (void)shmutex_error_detail();
  return unused;
}

int main(int argc, char **argv) {
  static const unsigned flags[KINDS / 2] = {0, SHMUTEX_RECURSIVE, SHMUTEX_FAIR};
  static char memory[KINDS / 2][SHMUTEX_SIZE] __attribute__((aligned(SHMUTEX_ALIGN)));
  pthread_t threads[THREADS];
  if (argc < 2) return 2;
  races = argc > 2 && strcmp(argv[2], "race") == 0;
  for (int i = 0; i < KINDS; ++i) {
    kinds[i].flags = flags[i / 2];
    if (i % 2 == 0) {
      snprintf(kinds[i].path, sizeof kinds[i].path, "%s/race.%d.lock", argv[1], i);
      must(shmutex_open(&kinds[i].lock, kinds[i].path, kinds[i].flags, 0));
    } else {
      must(shmutex_init(memory[i / 2], SHMUTEX_SIZE, kinds[i].flags));
      must(shmutex_attach(&kinds[i].lock, memory[i / 2], SHMUTEX_SIZE, kinds[i].flags));
    }
  }
  for (int i = 0; i < THREADS; ++i) pthread_create(&threads[i], NULL, work, NULL);
  for (int i = 0; i < THREADS; ++i) pthread_join(threads[i], NULL);
  for (int i = 0; i < KINDS; ++i) {
    if (kinds[i].counter != (long)THREADS * (ROUNDS + (i % 2 == 0 ? OPENS : 0))) return 3;
    must(shmutex_close(kinds[i].lock));
    if (kinds[i].path[0] == '\0') must(shmutex_destroy(memory[i / 2], SHMUTEX_SIZE));
  }
  puts("counted");
  return 0;
}
