#include "error/failure.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

namespace shmutex {
namespace {

struct Record {
  Reason reason;
  int code;
  uint64_t a;
  uint64_t b;
  char path[600];
  char text[1200];
};

// Only a pointer lives in the static TLS block, which is small when a library is loaded late.
__thread Record* record __attribute__((tls_model("initial-exec"))) = nullptr;
__thread uint8_t rounds_of_the_end __attribute__((tls_model("initial-exec"))) = 0;

// The destructor of the thread's record. The destructors of other keys may run after it in the same round, and may fail
// or ask for the text: so the record stays for one round more, and what fails after that begins another. (libc goes on for
// PTHREAD_DESTRUCTOR_ITERATIONS rounds while there are new values; what fails behind this key in the last one is lost memory.)
void end_record(void* value);

// The key whose destructor frees a thread's record, plus one; 0: not made yet. Not pthread_once(): it aborts the process
// where a sandbox refuses futexes.
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

const char* attribute_words(uint64_t attributes) {
  static const char* const words[] = {"plain", "recursive", "fair", "recursive and fair"};
  return words[attributes & 3];
}

const char* kernel_words(uint64_t code) {
  const char* const words = strerrordesc_np(static_cast<int>(code));
  return words != nullptr ? words : "an unknown error";
}

const char* kernel_advice(int code) {
  switch (code) {
    case EACCES:
    case EPERM: return "Check the permissions of the file and its directory; locking needs read and write access.";
    case ENOENT: return "A directory on the way to it does not exist; create it first.";
    case ENOTDIR: return "A component of the path is not a directory.";
    case ENOSPC:
    case EDQUOT: return "Free some space, or put lock files on tmpfs (/dev/shm, /run).";
    case EMFILE:
    case ENFILE:
      return "Raise the limit on open files, or close some; opening a lock needs two descriptors for a moment.";
    case EROFS: return "Put lock files on a file system that can be written to.";
    case ENAMETOOLONG: return "Use a shorter path.";
    case ENOSYS: return "Mount /proc, and allow this process the system calls on files.";
    default: return "See errno(3).";
  }
}

void describe(Record& r) {
  char* const out = r.text;
  constexpr size_t size = sizeof r.text;
  const char* const what = r.path[0] == '\0' ? "the lock" : r.path;
  const auto a = static_cast<unsigned long long>(r.a);
  const auto b = static_cast<unsigned long long>(r.b);
  switch (r.reason) {
    case Reason::none: out[0] = '\0'; return;
    case Reason::null_argument:
      snprintf(out, size, "An argument is NULL that must not be; pass a valid pointer.");
      return;
    case Reason::bad_flags:
      snprintf(out, size, "The flags 0x%llx are not for this function, or not together. See shmutex.h.", a);
      return;
    case Reason::bad_mode:
      snprintf(out, size, "The mode 0%llo has bits other than permissions; use up to 0777, or 0 for 0600.", a);
      return;
    case Reason::bad_info_size:
      snprintf(out, size, "info->size is %llu; set it to sizeof(shmutex_info_t), which is %llu here.", a, b);
      return;
    case Reason::bad_path:
      snprintf(out, size, "The path is empty. Name a file for the lock, in /dev/shm or /run, say.");
      return;
    case Reason::memory_too_small:
      snprintf(out, size, "%llu bytes are too few for a lock; bring %llu (SHMUTEX_SIZE).", a, b);
      return;
    case Reason::memory_misaligned:
      snprintf(out, size, "The memory at 0x%llx is not aligned; align it to %llu bytes (SHMUTEX_ALIGN).", a, b);
      return;
    case Reason::kernel:
      snprintf(out, size, "%s: %s. %s", what, kernel_words(r.a), kernel_advice(static_cast<int>(r.a)));
      return;
    case Reason::no_robust_list:
      snprintf(
          out, size,
          "This kernel, emulator or sandbox has no robust futexes (get_robust_list(2)), or MADV_WIPEONFORK is missing; "
          "without them a killed owner would go unnoticed.");
      return;
    case Reason::unknown_libc_shape:
      snprintf(out, size,
               "This C library keeps its robust list in a form unknown here; glibc on 64 bits is supported.");
      return;
    case Reason::no_proc:
      snprintf(out, size,
               "Cannot read /proc/sys/kernel/random/boot_id and /proc/self/ns/pid, which tell whether the TIDs in a "
               "lock mean "
               "anything here. Mount /proc.");
      return;
    case Reason::not_regular:
      snprintf(out, size, "%s is not a regular file. Name a path of its own for the lock.", what);
      return;
    case Reason::symlink:
      snprintf(out, size, "%s is a symbolic link, which is not followed. Name the file that it leads to.", what);
      return;
    case Reason::file_system:
      snprintf(
          out, size,
          "%s lies on a file system (type 0x%llx) on which processes elsewhere could open it too. Use tmpfs (/dev/shm, "
          "/run) or a local disk.",
          what, a);
      return;
    case Reason::exists:
      snprintf(out, size, "%s exists already. Leave SHMUTEX_MUST_CREATE out to open it, or choose another path.", what);
      return;
    case Reason::missing:
      snprintf(out, size, "There is no lock at %s. Start what creates it first%s.", what,
               r.a != 0 ? ", or open it without SHMUTEX_MUST_EXIST" : "");
      return;
    case Reason::not_a_lock:
      snprintf(
          out, size,
          "%s is not a lock file (%llu bytes; size, magic number or checksum differ), and was left as it is. Choose "
          "another path, or move it out of the way.",
          what, a);
      return;
    case Reason::other_format:
      snprintf(out, size,
               "%s was made by another version or build of libshmutex (format %llu; here %llu), or with another page "
               "size, byte "
               "order or C library, in this boot. Stop its users and remove it.",
               what, a, b);
      return;
    case Reason::other_scope_alive:
      snprintf(out, size,
               "%s is in use by processes of another PID namespace (a container, say), or another boot id. Give each "
               "its own "
               "file, or run them in one PID namespace.",
               what);
      return;
    case Reason::takeover_stuck:
      snprintf(
          out, size,
          "Another process has been creating or taking over %s for ten seconds; it may be stopped. Look for it with "
          "lslocks(8).",
          what);
      return;
    case Reason::removal_stuck:
      snprintf(out, size,
               "Another process has been removing %s for ten seconds; it may be stopped. Look for it with lslocks(8).",
               what);
      return;
    case Reason::attributes:
      snprintf(out, size, "%s is %s, and was asked for as %s. Ask for the same, or pass SHMUTEX_ANY_ATTR.", what,
               attribute_words(r.a), attribute_words(r.b));
      return;
    case Reason::buffer_not_a_lock:
      snprintf(out, size,
               "There is no lock in this memory. Make one with shmutex_init(), or pass SHMUTEX_INIT_ONCE for zeroed "
               "memory.");
      return;
    case Reason::buffer_stale:
      snprintf(out, size,
               "The lock in this memory was made in an earlier boot or in another PID namespace. Make it anew with "
               "shmutex_init() when nobody uses it.");
      return;
    case Reason::buffer_init_stuck:
      snprintf(out, size, "Another process has been initialising this lock for ten seconds; it may be stopped.");
      return;
    case Reason::busy:
      if (r.a == 0)
        snprintf(out, size, "%s was held by another thread when this was tried. Try again, or wait for it.", what);
      else
        snprintf(out, size, "%s is held by thread %llu. Try again, or wait for it.", what, a);
      return;
    case Reason::self_deadlock:
      snprintf(out, size,
               "The calling thread holds %s already, and it is not recursive. Release it first, or create it with "
               "SHMUTEX_RECURSIVE.",
               what);
      return;
    case Reason::cycle:
      snprintf(out, size,
               "Waiting for %s would close a cycle of owners that wait for each other. Release the others first.",
               what);
      return;
    case Reason::two_copies:
      snprintf(out, size,
               "The calling thread holds %s already, through another copy of libshmutex in this process or another "
               "mapping of "
               "the same memory. Release it there.",
               what);
      return;
    case Reason::depth:
      snprintf(out, size,
               "%s is held %llu times by its owner, the most there is. Look for a lock call without its unlock.", what,
               a);
      return;
    case Reason::not_owner:
      if (r.a == 0)
        snprintf(out, size, "The calling thread does not hold %s; nobody does. Look for an unlock too many.", what);
      else
        snprintf(out, size, "The calling thread does not hold %s; thread %llu does, and only that one can release it.",
                 what, a);
      return;
    case Reason::overwritten:
      snprintf(out, size,
               "Some process overwrote %s while the calling thread held it. It is not held any more, and the data "
               "under it may "
               "have been changed by others. Check who may write to it.",
               what);
      return;
    case Reason::not_inconsistent:
      snprintf(
          out, size,
          "%s is not inconsistent: no owner died inside, or that has been declared repaired. Nothing needs to be done.",
          what);
      return;
    case Reason::timed_out:
      if (r.a == 0)
        snprintf(out, size, "%s was not to be had in time. Try again, or allow more time.", what);
      else
        snprintf(
            out, size,
            "%s was not to be had in time; it is held by thread %llu. Try again, or look at what that thread does.",
            what, a);
      return;
    case Reason::interrupted:
      snprintf(out, size, "The wait for %s was interrupted. Handle the signal, then wait again.", what);
      return;
    case Reason::poisoned:
      snprintf(out, size,
               "%s was poisoned: a process gave the data under it up for lost. Rebuild the data, remove the lock with "
               "shmutex_unlink() (memory: shmutex_init()), and open it anew.",
               what);
      return;
    case Reason::retired: snprintf(out, size, "%s was removed. Close the handle and open the lock anew.", what); return;
    case Reason::too_many_held:
      snprintf(out, size,
               "%s was not acquired: the calling thread holds %llu locks, and if it died, the kernel would not release "
               "more. "
               "Release some first.",
               what, a);
      return;
    case Reason::forked_elsewhere:
      snprintf(out, size,
               "%s was opened before this process was forked into another PID namespace, where its owners cannot be "
               "named. Open "
               "locks after that.",
               what);
      return;
    case Reason::futex_refused:
      snprintf(out, size, "The kernel or a sandbox refused the futex system call: %s. Allow futex(2) there.",
               kernel_words(r.a));
      return;
    case Reason::close_held:
      snprintf(out, size, "%s is held by thread %llu of this process. Release it before closing its last handle.", what,
               a);
      return;
    case Reason::close_inside:
      snprintf(out, size,
               "A thread of this process is waiting for %s. Close the last handle when all calls have returned.", what);
      return;
    case Reason::held_unlink:
      snprintf(out, size, "%s is held by thread %llu, so it is not removed. Remove it when it is released.", what, a);
      return;
    case Reason::held_destroy:
      snprintf(out, size, "The lock is held by thread %llu, so it is not destroyed. Destroy it when it is released.",
               a);
      return;
    case Reason::owner_died:
      if (r.a == 0)
        snprintf(out, size,
                 "An owner of %s died inside, and nobody has declared the data consistent. Repair it and call "
                 "shmutex_consistent().",
                 what);
      else
        snprintf(out, size,
                 "An owner of %s died inside (the last one known: thread %llu), and nobody has declared the data "
                 "consistent. "
                 "Repair it and call shmutex_consistent().",
                 what, a);
      return;
    case Reason::out_of_memory:
      snprintf(out, size,
               "No memory for %s, or no room for another mapping. Raise vm.max_map_count or RLIMIT_AS, or close some.",
               what);
      return;
  }
}

}  // namespace

int fail(int code, Reason reason, const char* path, uint64_t a, uint64_t b) {
  Record* const r = own_record();
  if (r == nullptr) return code;
  r->reason = reason;
  r->code = code;
  r->a = a;
  r->b = b;
  size_t length = 0;
  if (path != nullptr) {
    length = strnlen(path, sizeof r->path - 1);
    memcpy(r->path, path, length);
  }
  r->path[length] = '\0';
  return code;
}

const char* failure_text() {
  Record* const r = record;
  if (r == nullptr) return "";
  describe(*r);
  return r->text;
}

const char* code_text(int code) {
  switch (code) {
    case 0: return "Success.";
    case EOWNERDEAD:
      return "The lock is held, and a previous owner died inside: repair the data and declare it consistent.";
    case EBUSY: return "The lock is held or in use.";
    case EDEADLK: return "The calling thread holds the lock already, or waiting would close a cycle.";
    case EAGAIN: return "The lock is held as often as a recursive lock can be.";
    case EPERM: return "The calling thread does not hold the lock, or the kernel refuses access to the file.";
    case EINTR: return "A signal handler ran during the wait.";
    case EINVAL:
      return "An argument is not valid, the path is no regular file, or there is nothing to declare consistent.";
    case ETIMEDOUT: return "The lock was not to be had in time.";
    case ENOTRECOVERABLE: return "The lock was poisoned: the data under it was given up for lost.";
    case EIDRM: return "The lock was removed: open it anew.";
    case ENOLCK: return "The calling thread holds as many locks as the kernel would clean up after it.";
    case EBADMSG: return "This is not a lock.";
    case EPROTONOSUPPORT: return "The lock was made by another version of the library, or on another kind of machine.";
    case EXDEV: return "The lock belongs to another PID namespace or another boot, where it is in use.";
    case ENOSYS: return "The kernel, an emulator or a sandbox lacks what a robust lock needs.";
    case ESTALE: return "The lock was made in an earlier boot or in another PID namespace: initialise it anew.";
    case ENOTSUP: return "The file system is one that other machines may share, or is not known to hold locks.";
    case ELOOP: return "The path is a symbolic link, which is not followed.";
    case EPROTOTYPE: return "The lock has other attributes than those asked for.";
    case ENOENT: return "There is no such lock, or no such directory.";
    case EEXIST: return "The lock exists already.";
    case EACCES: return "Permission denied.";
    case ENOMEM: return "Out of memory, or of room for mappings.";
    case ENOSPC: return "No space left for the lock file.";
    default: break;
  }
  const char* const text = strerrordesc_np(code);
  return text != nullptr ? text : "Unknown error code.";
}

}  // namespace shmutex
