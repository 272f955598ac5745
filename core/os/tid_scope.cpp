#include "os/tid_scope.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "os/file.h"
#include "os/syscall.h"

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
  return 0;
}

bool proc_is_mounted() {
  struct statfs found {};
  return raw_syscall(SYS_statfs, as_arg("/proc"), as_arg(&found)) == 0 && found.f_type == PROC_SUPER_MAGIC;
}

}  // namespace shmutex
