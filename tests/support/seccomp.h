// Filters of system calls, seccomp(2): for the calling thread, what it forks and what it executes, and not to be
// undone.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <vector>

namespace support {

// Rules are tried in order; a call that none of them names is let through.
class SeccompFilter {
 public:
  // The low half of an argument (0 to 5), masked, is one of these values.
  struct Condition {
    unsigned argument;
    uint32_t mask;
    std::vector<uint32_t> values;
  };

  // What becomes of a call: SECCOMP_RET_TRACE, SECCOMP_RET_USER_NOTIF, SECCOMP_RET_ERRNO | error, …
  SeccompFilter& on(int call, uint32_t action);
  SeccompFilter& on(int call, const Condition& condition, uint32_t action);

  // Both set PR_SET_NO_NEW_PRIVS. False, or -1: the kernel refused, and errno says why.
  bool install() const;
  int install_with_listener() const;  // the descriptor that SECCOMP_RET_USER_NOTIF tells

 private:
  int load(unsigned flags) const;

  std::vector<sock_filter> rules_;
};

}  // namespace support
