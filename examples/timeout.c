/* Not waiting, waiting for a while, and noticing Ctrl-C while waiting. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <shmutex/shmutex.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static const char lock_path[] = "/dev/shm/shmutex-example-timeout.lock";
static volatile sig_atomic_t interrupted;

static void on_signal(int number) {
  (void)number;
  interrupted = 1;
}

/* Waits in slices: a handler that runs between the look at `interrupted` and the wait delays the end by one slice
 * only. */
static int lock_unless_interrupted(shmutex_t *m) {
  for (;;) {
    if (interrupted) return EINTR;
    int error = shmutex_acquire(m, 100 * 1000000LL, SHMUTEX_INTERRUPTIBLE);
    if (error != ETIMEDOUT && error != EINTR) return error;
  }
}

/* The other process: holds the lock, says so, and releases it when told to. */
static int hold(int held, int release) {
  shmutex_t *m;
  char byte = 'x';
  if (shmutex_open(&m, lock_path, 0, 0) != 0 || shmutex_lock(m) != 0) return 1;
  if (write(held, &byte, 1) != 1 || read(release, &byte, 1) != 1) return 1;
  return shmutex_unlock(m);
}

int main(void) {
  int held[2], release[2];
  char byte = 'x';
  shmutex_t *m;
  if (pipe(held) != 0 || pipe(release) != 0) return 1;
  pid_t child = fork();
  if (child < 0) return 1;
  if (child == 0) _exit(hold(held[1], release[0]));
  if (read(held[0], &byte, 1) != 1) return 1;

  int error = shmutex_open(&m, lock_path, 0, 0);
  if (error != 0) return fprintf(stderr, "%s\n", shmutex_error_detail()), 1;

  error = shmutex_trylock(m);
  printf("trylock: %s\n  %s\n", shmutex_strerror(error), shmutex_error_detail());
  if (error != EBUSY) return 1;

  error = shmutex_timedlock(m, 50 * 1000000LL);
  printf("timedlock, 50 ms: %s\n", shmutex_strerror(error));
  if (error != ETIMEDOUT) return 1;

  /* SIGALRM stands for Ctrl-C here. */
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  struct itimerval timer = {.it_value = {.tv_usec = 50000}};
  if (sigaction(SIGALRM, &action, NULL) != 0 || setitimer(ITIMER_REAL, &timer, NULL) != 0) return 1;
  error = lock_unless_interrupted(m);
  printf("interruptible: %s\n", shmutex_strerror(error));
  if (error != EINTR) return 1;

  if (write(release[1], &byte, 1) != 1) return 1;
  error = shmutex_lock(m);
  printf("lock, once it is released: %s\n", shmutex_strerror(error));
  if (error != 0 || shmutex_unlock(m) != 0 || shmutex_close(m) != 0) return 1;
  waitpid(child, NULL, 0);
  return shmutex_unlink(lock_path, 0);
}
