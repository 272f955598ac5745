/* An owner is killed in mid-update; the next one is told, and repairs.
 *
 * The data are two accounts whose sum never changes. Before a transfer touches them, it notes what it is about to do;
 * so the next after a dead owner can undo a transfer that was half done. The note is the whole trick: a lock can tell
 * that an owner died inside, and only the data can tell how far it got.
 */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <shmutex/shmutex.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const char lock_path[] = "/dev/shm/shmutex-example-recovery.lock";

struct bank {
  long left, right;               /* their sum is 100 */
  long old_left, old_right, undo; /* undo: 1 while a transfer is under way */
};

static int fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, shmutex_error_detail());
  return 1;
}

/* volatile keeps the compiler from reordering these stores. Against a SIGKILL, program order is all that counts: the
 * lock orders memory between the owners. */
static void transfer(volatile struct bank *bank, long amount, int die) {
  bank->old_left = bank->left;
  bank->old_right = bank->right;
  bank->undo = 1;
  bank->left -= amount;
  if (die) kill(getpid(), SIGKILL);
  bank->right += amount;
  bank->undo = 0;
}

static void repair(volatile struct bank *bank) {
  if (!bank->undo) return;
  bank->left = bank->old_left;
  bank->right = bank->old_right;
  bank->undo = 0;
}

/* Opens the lock, acquires it, repairs if need be, transfers, releases. */
static int use(volatile struct bank *bank, int die) {
  shmutex_t *m;
  int error = shmutex_open(&m, lock_path, 0, 0);
  if (error != 0) return fail("open");
  error = shmutex_lock(m);
  if (error == EOWNERDEAD) {
    printf("the last owner died inside; it left %ld + %ld\n", bank->left, bank->right);
    repair(bank);
    printf("repaired: %ld + %ld\n", bank->left, bank->right);
    error = shmutex_consistent(m);
  }
  if (error != 0) return fail("lock");
  transfer(bank, 30, die);
  if (shmutex_unlock(m) != 0) return fail("unlock");
  return shmutex_close(m);
}

int main(void) {
  volatile struct bank *bank = mmap(NULL, sizeof *bank, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (bank == MAP_FAILED) return 1;
  bank->left = 100;

  pid_t child = fork();
  if (child < 0) return 1;
  if (child == 0) _exit(use(bank, 1));
  waitpid(child, NULL, 0);

  if (use(bank, 0) != 0) return 1;
  printf("and on: %ld + %ld\n", bank->left, bank->right);
  if (shmutex_unlink(lock_path, 0) != 0) return fail("unlink");
  return bank->left == 70 && bank->right == 30 ? 0 : 1;
}
