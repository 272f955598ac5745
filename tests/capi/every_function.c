/* Calls every function of the ABI, as a C program would. Compiled as strict C99, and once more as C++. */
#define _POSIX_C_SOURCE 200809L

#include <shmutex/shmutex.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int failures = 0;

#define CHECK(condition)                                                                                   \
  do {                                                                                                     \
    if (!(condition)) {                                                                                    \
      fprintf(stderr, "%s:%d: %s is false: %s\n", __FILE__, __LINE__, #condition, shmutex_error_detail()); \
      ++failures;                                                                                          \
    }                                                                                                      \
  } while (0)

static void check_file_lock(const char *path) {
  shmutex_t *m = NULL;
  shmutex_info_t info;
  memset(&info, 0, sizeof info);
  info.size = sizeof info;

  CHECK(shmutex_open(&m, path, SHMUTEX_RECURSIVE | SHMUTEX_MUST_CREATE, 0640) == 0);
  CHECK(m != NULL);
  CHECK(shmutex_is_owned(m) == 0);
  CHECK(shmutex_lock(m) == 0);
  CHECK(shmutex_trylock(m) == 0);
  CHECK(shmutex_timedlock(m, 1000000) == 0);
  CHECK(shmutex_acquire(m, -1, SHMUTEX_INTERRUPTIBLE) == 0);
  CHECK(shmutex_is_owned(m) == 1);
  CHECK(shmutex_token(m) != 0);
  CHECK(shmutex_info(m, &info) == 0);
  CHECK(info.state == SHMUTEX_STATE_HELD && info.depth == 4 && info.attributes == SHMUTEX_RECURSIVE);
  CHECK(info.owner_pid == getpid() && info.token == shmutex_token(m));
  CHECK(shmutex_inspect(path, &info) == 0);
  CHECK(info.state == SHMUTEX_STATE_HELD && info.links == 1);
  CHECK(shmutex_consistent(m) == EINVAL);
  CHECK(shmutex_unlink(path, 0) == EBUSY);
  CHECK(shmutex_unlock(m) == 0);
  CHECK(shmutex_unlock(m) == 0);
  CHECK(shmutex_unlock(m) == 0);
  CHECK(shmutex_poison(m) == 0);
  CHECK(shmutex_unlock(m) == 0);
  CHECK(shmutex_lock(m) == ENOTRECOVERABLE);
  CHECK(shmutex_unlink(path, 0) == 0);
  CHECK(shmutex_lock(m) == EIDRM);
  CHECK(shmutex_close(m) == 0);
}

static void check_buffer_lock(void) {
  shmutex_t *m = NULL;
  void *memory = NULL;
  CHECK(shmutex_size() == SHMUTEX_SIZE && SHMUTEX_SIZE <= 256 && SHMUTEX_ALIGN <= 64);
  CHECK(posix_memalign(&memory, SHMUTEX_ALIGN, SHMUTEX_SIZE) == 0);
  CHECK(shmutex_init(memory, SHMUTEX_SIZE, SHMUTEX_FAIR) == 0);
  CHECK(shmutex_attach(&m, memory, SHMUTEX_SIZE, SHMUTEX_FAIR) == 0);
  CHECK(shmutex_lock(m) == 0);
  CHECK(shmutex_destroy(memory, SHMUTEX_SIZE) == EBUSY);
  CHECK(shmutex_unlock(m) == 0);
  CHECK(shmutex_destroy(memory, SHMUTEX_SIZE) == 0);
  CHECK(shmutex_lock(m) == EIDRM);
  CHECK(shmutex_close(m) == 0);
  free(memory);
}

static void check_words(void) {
  char expected[64];
  char sentences[1200];
  snprintf(expected, sizeof expected, "%d.%d.%d", SHMUTEX_VERSION_MAJOR, SHMUTEX_VERSION_MINOR, SHMUTEX_VERSION_PATCH);
  CHECK(strcmp(shmutex_version(), expected) == 0);
  CHECK(strlen(shmutex_strerror(EOWNERDEAD)) > 0);
  CHECK(shmutex_lock(NULL) == EINVAL);
  CHECK(strlen(shmutex_error_detail()) > 0);
  CHECK(strcmp(shmutex_error_reason(), "null_argument") == 0);
  snprintf(sentences, sizeof sentences, "%s %s", shmutex_error_fact(), shmutex_error_advice());
  CHECK(strcmp(shmutex_error_detail(), sentences) == 0);
}

int main(void) {
  char directory[] = "/dev/shm/shmutex-test-XXXXXX";
  char path[sizeof directory + 8];
  if (mkdtemp(directory) == NULL) return 1;
  snprintf(path, sizeof path, "%s/lock", directory);
  check_file_lock(path);
  check_buffer_lock();
  check_words();
  CHECK(rmdir(directory) == 0);
  return failures == 0 ? 0 : 1;
}
