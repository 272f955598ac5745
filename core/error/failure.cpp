#include "error/failure.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error/sentence.h"
#include "os/file.h"

namespace shmutex {
namespace {

struct Record {
  Reason reason;
  int code;
  uint64_t a;
  uint64_t b;
  uint64_t device;  // of the lock's file, and its inode; 0: not remembered
  uint64_t inode;
  char path[600];
  char fact[1000];
  char text[1200];
};

// Only a pointer lives in the static TLS block, which is small when a library is loaded late.
__thread Record* record __attribute__((tls_model("initial-exec"))) = nullptr;
__thread uint8_t rounds_of_the_end __attribute__((tls_model("initial-exec"))) = 0;

// The destructor of the thread's record. The destructors of other keys may run after it in the same round, and may fail
// or ask for the text: so the record stays for one round more, and what fails after that begins another. (libc goes on
// for PTHREAD_DESTRUCTOR_ITERATIONS rounds while there are new values. A record begun behind this key in the last is
// lost.)
void end_record(void* value);

// The key whose destructor frees a thread's record, plus one; 0: not made yet. Not pthread_once(): it aborts the
// process where a sandbox refuses futexes.
uint32_t key_plus_one = 0;

bool make_key(pthread_key_t& key) {
  uint32_t made = __atomic_load_n(&key_plus_one, __ATOMIC_ACQUIRE);
  if (made == 0) {
    pthread_key_t fresh = 0;
    if (pthread_key_create(&fresh, end_record) != 0) return false;
    if (__atomic_compare_exchange_n(&key_plus_one, &made, fresh + 1, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
      made = fresh + 1;
    } else {
      pthread_key_delete(fresh);  // another thread was faster
    }
  }
  key = made - 1;
  return true;
}

void end_record(void* value) {
  pthread_key_t key = 0;
  if (++rounds_of_the_end == 1 && make_key(key) && pthread_setspecific(key, value) == 0) return;
  if (record == value) record = nullptr;
  free(value);
}

Record* own_record() {
  if (record != nullptr) return record;
  const int saved_errno = errno;
  pthread_key_t key = 0;
  auto* fresh = static_cast<Record*>(calloc(1, sizeof(Record)));
  if (fresh == nullptr || !make_key(key) || pthread_setspecific(key, fresh) != 0) {
    free(fresh);
    fresh = nullptr;
  }
  errno = saved_errno;
  record = fresh;
  return record;
}

// A cleaner, a logout or rm(1) has removed the file of a lock in use, or another one has its name.
bool lost_its_name(const Record& r) {
  if (r.inode == 0 || r.path[0] != '/' || strlen(r.path) + 1 == sizeof r.path) return false;
  struct stat found {};
  const int error = file::status_of_name(r.path, found);
  return error == -ENOENT || (error == 0 && (found.st_dev != r.device || found.st_ino != r.inode));
}

}  // namespace

int fail(int code, Reason reason, const char* path, uint64_t a, uint64_t b) {
  Record* const r = own_record();
  if (r == nullptr) return code;
  r->reason = reason;
  r->code = code;
  r->a = a;
  r->b = b;
  r->inode = 0;
  size_t length = 0;
  if (path != nullptr) {
    length = strnlen(path, sizeof r->path - 1);
    memcpy(r->path, path, length);
  }
  r->path[length] = '\0';
  return code;
}

void remember_file(uint64_t device, uint64_t inode) {
  if (record == nullptr) return;
  record->device = device;
  record->inode = inode;
}

const char* failure_reason() { return record == nullptr ? "" : text_of(record->reason).name; }

const char* failure_fact() {
  Record* const r = record;
  if (r == nullptr) return "";
  make_sentence(r->fact, sizeof r->fact, text_of(r->reason).fact, {r->path, r->a, r->b});
  const size_t length = strlen(r->fact);
  if (lost_its_name(*r)) {
    snprintf(r->fact + length, sizeof r->fact - length,
             " The path no longer leads to this lock: its file was removed or replaced, and others may be using "
             "another one.");
  }
  return r->fact;
}

const char* failure_advice() { return record == nullptr ? "" : text_of(record->reason).advice; }

const char* failure_text() {
  Record* const r = record;
  if (r == nullptr || r->reason == Reason::none) return "";
  snprintf(r->text, sizeof r->text, "%s %s", failure_fact(), failure_advice());
  return r->text;
}

}  // namespace shmutex
