#include "support/seccomp.h"

#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace support {
namespace {

sock_filter statement(unsigned code, uint32_t operand) { return {static_cast<uint16_t>(code), 0, 0, operand}; }

sock_filter load_word(size_t offset) { return statement(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset)); }

// Instructions to skip: when equal, and when not.
sock_filter jump_if_equal(uint32_t value, size_t equal, size_t different) {
  return {BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint8_t>(equal), static_cast<uint8_t>(different), value};
}

}  // namespace

SeccompFilter& SeccompFilter::on(int call, uint32_t action) {
  rules_.push_back(load_word(offsetof(seccomp_data, nr)));
  rules_.push_back(jump_if_equal(static_cast<uint32_t>(call), 0, 1));
  rules_.push_back(statement(BPF_RET | BPF_K, action));
  return *this;
}

SeccompFilter& SeccompFilter::on(int call, const Condition& condition, uint32_t action) {
  const size_t values = condition.values.size();
  rules_.push_back(load_word(offsetof(seccomp_data, nr)));
  rules_.push_back(jump_if_equal(static_cast<uint32_t>(call), 0, values + 3));
  rules_.push_back(load_word(offsetof(seccomp_data, args) + condition.argument * sizeof(uint64_t)));  // little-endian
  rules_.push_back(statement(BPF_ALU | BPF_AND | BPF_K, condition.mask));
  for (size_t i = 0; i < values; ++i) {
    const bool last = i + 1 == values;
    rules_.push_back(jump_if_equal(condition.values[i], values - i - 1, last ? 1 : 0));
  }
  rules_.push_back(statement(BPF_RET | BPF_K, action));
  return *this;
}

int SeccompFilter::load(unsigned flags) const {
  std::vector<sock_filter> program = rules_;
  program.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog whole{static_cast<unsigned short>(program.size()), program.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return static_cast<int>(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &whole));
}

bool SeccompFilter::install() const { return load(0) == 0; }

int SeccompFilter::install_with_listener() const { return load(SECCOMP_FILTER_FLAG_NEW_LISTENER); }

}  // namespace support
