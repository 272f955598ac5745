/* The demo's data: a file with two numbers that must always be equal. Every update changes them one after the other, so
 * a process that is killed between the two leaves a half-done update behind. Slow on purpose: a lost update is a matter
 * of milliseconds, not of luck. */
#ifndef SHMUTEX_DEMO_LEDGER_H
#define SHMUTEX_DEMO_LEDGER_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct ledger {
  unsigned long long first;
  unsigned long long second;
};

static int ledger_open(const char *path) {
  const int fd = open(path, O_RDWR);
  if (fd < 0) {
    perror(path);
    exit(2);
  }
  return fd;
}

static void ledger_must(int ok) {
  if (!ok) {
    perror("ledger");
    exit(2);
  }
}

static struct ledger ledger_read(int fd) {
  struct ledger found;
  char text[64];
  const ssize_t length = pread(fd, text, sizeof text - 1, 0);
  ledger_must(length > 0);
  text[length] = '\0';
  ledger_must(sscanf(text, "%llu %llu", &found.first, &found.second) == 2);
  return found;
}

static void ledger_write_first(int fd, unsigned long long value) {
  char text[32];
  snprintf(text, sizeof text, "%020llu ", value);
  ledger_must(pwrite(fd, text, 21, 0) == 21);
}

static void ledger_write_second(int fd, unsigned long long value) {
  char text[32];
  snprintf(text, sizeof text, "%020llu\n", value);
  ledger_must(pwrite(fd, text, 21, 21) == 21);
}

static void ledger_increment(int fd) {
  const struct ledger found = ledger_read(fd);
  ledger_write_first(fd, found.first + 1);
  ledger_write_second(fd, found.second + 1);
}

/* A half-done update is rolled back. Returns whether there was one. */
static int ledger_repair(int fd) {
  const struct ledger found = ledger_read(fd);
  if (found.first == found.second) return 0;
  ledger_write_first(fd, found.second);
  return 1;
}

#endif
