/* Failures in the words of a language: the library's fact, and what to do about it there. */
#ifndef SHMUTEX_BINDINGS_ADVICE_H
#define SHMUTEX_BINDINGS_ADVICE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum shmutex_language { SHMUTEX_PYTHON, SHMUTEX_LUA };

/* Room for every sentence, with the longest path that the library keeps. */
enum { SHMUTEX_SENTENCE_SIZE = 1400 };

/* The calling thread's last failure in one line; or code's meaning, if there is nothing to tell of. */
void shmutex_sentence(char *out, size_t size, enum shmutex_language language, int code);

#ifdef __cplusplus
}
#endif
#endif
