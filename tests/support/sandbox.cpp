#include "support/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <cstdint>
#include <stdexcept>

#include "support/seccomp.h"

namespace support {

void refuse_futex(int operation, int error) {
  const uint32_t refusal = SECCOMP_RET_ERRNO | static_cast<uint32_t>(error);
  const uint32_t command = FUTEX_CMD_MASK;
  SeccompFilter filter;
  if (operation == every_operation) {
    filter.on(SYS_futex, refusal);
  } else {
    filter.on(SYS_futex, {1, command, {static_cast<uint32_t>(operation)}}, refusal);
  }
  if (!filter.install()) throw std::runtime_error("seccomp is not available");
}

bool forbid_unnamed_files() {
  constexpr uint32_t unnamed = O_TMPFILE & ~O_DIRECTORY;
  return SeccompFilter().on(SYS_openat, {2, unnamed, {unnamed}}, SECCOMP_RET_ERRNO | EOPNOTSUPP).install();
}

}  // namespace support
