// Every exported function, declared by the header and with nothing in it: what abidiff sees of the library, and no
// more.
#include <shmutex/shmutex.h>

// The parameters of the one that a test changes are taken from the header.
template <class Function>
struct Second;
template <class Result, class A, class B>
struct Second<Result(A, B)> {
  using type = B;
};

int shmutex_open(shmutex_t**, const char*, unsigned, unsigned) { return 0; }
int shmutex_unlink(const char*, unsigned) { return 0; }
int shmutex_close(shmutex_t*) { return 0; }
int shmutex_lock(shmutex_t*) { return 0; }
int shmutex_trylock(shmutex_t*) { return 0; }
int shmutex_timedlock(shmutex_t*, Second<decltype(shmutex_timedlock)>::type) { return 0; }
int shmutex_acquire(shmutex_t*, int64_t, unsigned) { return 0; }
int shmutex_unlock(shmutex_t*) { return 0; }
int shmutex_consistent(shmutex_t*) { return 0; }
int shmutex_poison(shmutex_t*) { return 0; }
size_t shmutex_size(void) { return 0; }
int shmutex_init(void*, size_t, unsigned) { return 0; }
int shmutex_attach(shmutex_t**, void*, size_t, unsigned) { return 0; }
int shmutex_destroy(void*, size_t) { return 0; }
int shmutex_is_owned(const shmutex_t*) { return 0; }
uint64_t shmutex_token(const shmutex_t*) { return 0; }
int shmutex_info(const shmutex_t*, shmutex_info_t*) { return 0; }
int shmutex_inspect(const char*, shmutex_info_t*) { return 0; }
const char* shmutex_strerror(int) { return ""; }
const char* shmutex_error_detail(void) { return ""; }
const char* shmutex_error_reason(void) { return ""; }
const char* shmutex_error_fact(void) { return ""; }
const char* shmutex_error_advice(void) { return ""; }
const char* shmutex_version(void) { return ""; }
