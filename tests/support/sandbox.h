// Sandboxes: the calling process, from now on, gets an error from some futex calls.
#pragma once

namespace support {

inline constexpr int every_operation = -1;

// futex(2) with this operation (FUTEX_WAKE_OP, …), or every_operation, fails with `error` (seccomp; not to be undone).
void refuse_futex(int operation, int error);

}  // namespace support
