// Sandboxes: the calling process, from now on, gets an error from some system calls.
#pragma once

namespace support {

inline constexpr int every_operation = -1;

// futex(2) with this operation (FUTEX_WAKE_OP, …), or every_operation, fails with `error`.
void refuse_futex(int operation, int error);

// openat(2) with O_TMPFILE fails with EOPNOTSUPP, as on file systems that know none. False: seccomp is not available.
bool forbid_unnamed_files();

}  // namespace support
