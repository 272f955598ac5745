// A one-shot event between processes, in shared memory; waiting costs no processor time.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <cstdint>

namespace crash {

class Gate {
 public:
  void reset() { __atomic_store_n(&open_, 0u, __ATOMIC_SEQ_CST); }
  void open() {
    __atomic_store_n(&open_, 1u, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &open_, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
  }
  void wait() const {
    while (__atomic_load_n(&open_, __ATOMIC_SEQ_CST) == 0) {
      syscall(SYS_futex, &open_, FUTEX_WAIT, 0, nullptr, nullptr, 0);
    }
  }

 private:
  uint32_t open_ = 0;
};

}  // namespace crash
