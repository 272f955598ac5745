/* The header first and alone: it brings what it needs. A program, too, so that the link is checked. */
#include <shmutex/shmutex.h>

int main(void) {
  shmutex_info_t info = {0};
  return shmutex_size() == SHMUTEX_SIZE && info.size == 0 && shmutex_token(NULL) == UINT64_C(0) ? 0 : 1;
}
