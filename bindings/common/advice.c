#include "advice.h"

#include <shmutex/base.h>
#include <stdio.h>
#include <string.h>

static const struct {
  const char *reason;
  const char *advice[2]; /* by enum shmutex_language */
} table[] = {
#define ADVICE(reason, python, lua) {#reason, {python, lua}},
#include "advice.inc"
#undef ADVICE
};

static const char *advice_in(enum shmutex_language language) {
  const char *const reason = shmutex_error_reason();
  for (size_t i = 0; i < sizeof table / sizeof table[0]; ++i) {
    if (strcmp(table[i].reason, reason) == 0) return table[i].advice[language];
  }
  return shmutex_error_advice();
}

void shmutex_sentence(char *out, size_t size, enum shmutex_language language, int code) {
  const char *const fact = shmutex_error_fact();
  if (fact[0] == '\0')
    snprintf(out, size, "%s", shmutex_strerror(code));
  else
    snprintf(out, size, "%s %s", fact, advice_in(language));
}
