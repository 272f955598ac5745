#include "os/tid_scope.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "os/file.h"
#include "os/syscall.h"
#include "os/thread.h"

namespace shmutex {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

int read_boot_id(uint8_t (&boot_id)[16]) {
  const long fd = file::open_descriptor("/proc/sys/kernel/random/boot_id", O_RDONLY);
  if (fd < 0) return fd == -EMFILE || fd == -ENFILE ? static_cast<int>(-fd) : ENOSYS;
  char text[64] = {};
  const long length = raw_syscall(SYS_read, fd, as_arg(text), sizeof text);
  raw_syscall(SYS_close, fd);
  unsigned digits = 0;
  for (long i = 0; i < length && digits < 32; ++i) {
    const int value = hex_digit(text[i]);
    if (value < 0) continue;  // the dashes of a UUID
    boot_id[digits / 2] = static_cast<uint8_t>(boot_id[digits / 2] << 4 | value);
    ++digits;
  }
  return digits == 32 ? 0 : ENOSYS;
}

// The number of the pidfd of the namespace's first process: never used again while the machine runs, and available to
// every process, whatever /proc hides from it. Linux 6.9; before that all pidfds have the same one.
uint64_t identity_of_init() {
  constexpr int64_t pidfs_magic = 0x50494446;
  const file::StandardStreamsOccupied guard;
  const file::Descriptor fd(static_cast<int>(raw_syscall(SYS_pidfd_open, 1, 0)));
  int64_t type = 0;
  struct stat found {};
  if (fd.get() < 0 || file::file_system_type(fd.get(), type) != 0 || type != pidfs_magic) return 0;
  return file::status(fd.get(), found) == 0 ? static_cast<uint64_t>(found.st_ino) << 1 | 1 : 0;
}

// proc_pid_stat(5), field 22: when the namespace's first process was started, in ticks since the boot. In a time
// namespace that moves the boot the number is another one, and says nothing.
uint64_t start_of_init() {
  char text[512];
  if (!proc_is_ours() || !file::read_text("/proc/thread-self/timens_offsets", text, sizeof text)) return 0;
  const char* const boottime = strstr(text, "boottime");
  long long seconds = 0;
  long long nanoseconds = 0;
  if (boottime == nullptr || sscanf(boottime, "boottime %lld %lld", &seconds, &nanoseconds) != 2 || seconds != 0 ||
      nanoseconds != 0 || !file::read_text("/proc/1/stat", text, sizeof text)) {
    return 0;
  }
  const char* field = strrchr(text, ')');  // the name, field 2, may contain anything
  for (int number = 2; field != nullptr && number < 22; ++number) field = strchr(field + 1, ' ');
  return field == nullptr ? 0 : (strtoull(field, nullptr, 10) + 1) << 1;
}

}  // namespace

int read_tid_scope(TidScope& tid_scope) {
  tid_scope = TidScope{};
  if (const int error = read_boot_id(tid_scope.boot_id); error != 0) return error;
  return read_pid_namespace(tid_scope);
}

int read_pid_namespace(TidScope& tid_scope) {
  struct stat status {};
  // Not /proc/self: the main thread may have ended.
  if (raw_syscall(SYS_newfstatat, AT_FDCWD, as_arg("/proc/thread-self/ns/pid"), as_arg(&status), 0) < 0) return ENOSYS;
  tid_scope.pid_namespace = status.st_ino;
  tid_scope.start = identity_of_init();
  if (tid_scope.start == 0) tid_scope.start = start_of_init();
  return 0;
}

bool proc_is_mounted() {
  struct statfs found {};
  return raw_syscall(SYS_statfs, as_arg("/proc"), as_arg(&found)) == 0 && found.f_type == PROC_SUPER_MAGIC;
}

}  // namespace shmutex
