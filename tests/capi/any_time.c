/* The library at every time of a program's and of a thread's life: before main, in destructors of thread-specific data
 * made before the library's own and after it, in all their rounds, in atexit handlers and in destructors of the
 * program. Calls fail and are asked why, too, while the program fills the memory that is freed meanwhile. */
#define _POSIX_C_SOURCE 200809L

#include <shmutex/shmutex.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition)                                                                                   \
  do {                                                                                                     \
    if (!(condition)) {                                                                                    \
      fprintf(stderr, "%s:%d: %s is false: %s\n", __FILE__, __LINE__, #condition, shmutex_error_detail()); \
      abort();                                                                                             \
    }                                                                                                      \
  } while (0)

/* In the order of their destruction: the library makes its key between the two, at the first failure. */
static pthread_key_t early, late;
static shmutex_t *free_lock, *held_lock; /* held_lock: by another process */
static int to_child[2], to_parent[2];
static pid_t holder;
static char path[2][64];
static int destructions = 0;

/* Of the size of whatever the library may have freed, and enough of it, so that a write into it shows. */
#define BLOCKS 256
struct filling {
  char *block[BLOCKS];
};

static size_t size_of_block(int i) { return 64 * (size_t)(i % 64 + 1); }

static void fill(struct filling *all) {
  for (int i = 0; i < BLOCKS; ++i) {
    const size_t size = size_of_block(i);
    all->block[i] = malloc(size);
    CHECK(all->block[i] != NULL);
    memset(all->block[i], 'x', size);
  }
}

static void check_filling(struct filling *all) {
  for (int i = 0; i < BLOCKS; ++i) {
    for (size_t k = 0; k < size_of_block(i); ++k) CHECK(all->block[i][k] == 'x');
    free(all->block[i]);
  }
}

static void use(void) {
  struct filling filling;
  shmutex_info_t info;
  shmutex_t *another = NULL;
  memset(&info, 0, sizeof info);
  info.size = sizeof info;
  fill(&filling);
  CHECK(shmutex_trylock(held_lock) == EBUSY);
  CHECK(strlen(shmutex_error_detail()) > 10);
  CHECK(shmutex_timedlock(held_lock, 1000) == ETIMEDOUT);
  CHECK(shmutex_unlock(held_lock) == EPERM);
  CHECK(shmutex_lock(free_lock) == 0);
  CHECK(shmutex_is_owned(free_lock) == 1);
  CHECK(shmutex_info(free_lock, &info) == 0 && info.state == SHMUTEX_STATE_HELD);
  CHECK(shmutex_lock(free_lock) == EDEADLK);
  CHECK(strstr(shmutex_error_detail(), path[0]) != NULL);
  CHECK(shmutex_unlock(free_lock) == 0);
  CHECK(shmutex_open(&another, path[0], 0, 0) == 0);
  CHECK(shmutex_close(another) == 0);
  CHECK(shmutex_open(&another, "/dev/shm/no/such/directory", 0, 0) == ENOENT);
  CHECK(strlen(shmutex_error_detail()) > 10);
  check_filling(&filling);
}

/* Three threads: one whose first failure comes in its life, one in an early destructor, one in a late one. */
enum { IN_LIFE, IN_EARLY, IN_LATE };
struct plan {
  int begins, rounds_early, rounds_late;
};

static void destroy_early(void *value) {
  struct plan *plan = value;
  if (plan->begins != IN_LATE) {
    if (plan->begins == IN_LIFE && plan->rounds_early == 0) CHECK(strlen(shmutex_error_detail()) > 10);
    use();
  }
  ++destructions;
  if (++plan->rounds_early < PTHREAD_DESTRUCTOR_ITERATIONS) pthread_setspecific(early, plan);
}

static void destroy_late(void *value) {
  struct plan *plan = value;
  /* What failed in the thread's life can still be asked for. */
  if (plan->begins == IN_LIFE && plan->rounds_late == 0) CHECK(strlen(shmutex_error_detail()) > 10);
  use();
  ++destructions;
  if (++plan->rounds_late < PTHREAD_DESTRUCTOR_ITERATIONS) pthread_setspecific(late, plan);
}

static void *live(void *value) {
  struct plan *plan = value;
  CHECK(pthread_setspecific(early, plan) == 0 && pthread_setspecific(late, plan) == 0);
  if (plan->begins == IN_LIFE) use();
  return NULL;
}

static void hold_in_child(void) {
  char byte = 0;
  shmutex_t *m = NULL;
  CHECK(pipe(to_child) == 0 && pipe(to_parent) == 0);
  holder = fork();
  CHECK(holder >= 0);
  if (holder == 0) {
    close(to_child[1]);
    CHECK(shmutex_open(&m, path[1], 0, 0) == 0 && shmutex_lock(m) == 0);
    CHECK(write(to_parent[1], "!", 1) == 1);
    while (read(to_child[0], &byte, 1) > 0) {
    }
    _exit(shmutex_unlock(m));
  }
  close(to_child[0]);
  CHECK(read(to_parent[0], &byte, 1) == 1);
}

__attribute__((constructor)) static void before_main(void) {
  CHECK(pthread_key_create(&early, destroy_early) == 0);
  for (int i = 0; i < 2; ++i) snprintf(path[i], sizeof path[i], "/dev/shm/any_time.%ld.%d", (long)getpid(), i);
  hold_in_child();
  CHECK(shmutex_open(&free_lock, path[0], 0, 0) == 0);
  CHECK(shmutex_open(&held_lock, path[1], 0, 0) == 0);
  use();
  CHECK(pthread_key_create(&late, destroy_late) == 0);
}

__attribute__((destructor)) static void after_all(void) {
  int status = 0;
  if (getpid() == holder || holder == 0) return;
  use();
  close(to_child[1]);
  CHECK(waitpid(holder, &status, 0) == holder && status == 0);
  CHECK(shmutex_close(free_lock) == 0 && shmutex_close(held_lock) == 0);
  for (int i = 0; i < 2; ++i) CHECK(shmutex_unlink(path[i], 0) == 0);
}

static void at_exit(void) { use(); }

int main(void) {
  struct plan plans[] = {{IN_LIFE, 0, 0}, {IN_EARLY, 0, 0}, {IN_LATE, 0, 0}};
  CHECK(atexit(at_exit) == 0);
  use();
  for (int i = 0; i < 3; ++i) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, live, &plans[i]) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
  }
  CHECK(destructions == 3 * 2 * PTHREAD_DESTRUCTOR_ITERATIONS);
  return 0;
}
