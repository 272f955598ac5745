#include "tracee.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <shmutex/shmutex.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>

namespace crash {
namespace {

#if defined(__x86_64__)
uint64_t operation_of(const user_regs_struct& r) { return r.rsi; }
void clear_timeout(user_regs_struct& r) { r.r10 = 0; }
#elif defined(__aarch64__)
uint64_t operation_of(const user_regs_struct& r) { return r.regs[1]; }
void clear_timeout(user_regs_struct& r) { r.regs[3] = 0; }
#else
#error "the register access is written for x86-64 and aarch64"
#endif

void check(long result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
}

user_regs_struct registers(pid_t pid) {
  user_regs_struct found{};
  iovec vector{&found, sizeof found};
  check(ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &vector), "PTRACE_GETREGSET");
  return found;
}

uint64_t mix(uint64_t hash, uint64_t value) { return (hash ^ value) * 0x9e37'79b9'7f4a'7c15 + (hash >> 29); }

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string proc(pid_t pid, const char* name) { return "/proc/" + std::to_string(pid) + "/" + name; }

char state_of(pid_t pid) {
  const std::string line = first_line(proc(pid, "stat"));
  const size_t name_end = line.rfind(')');
  return name_end == std::string::npos || name_end + 2 >= line.size() ? '\0' : line[name_end + 2];
}

struct Range {
  uint64_t from, to;
};

Range library_code() {
  struct Search {
    uint64_t inside;
    Range found;
  } search{reinterpret_cast<uint64_t>(&shmutex_lock), {}};
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        auto& s = *static_cast<Search*>(data);
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const auto& segment = info->dlpi_phdr[i];
          const uint64_t from = info->dlpi_addr + segment.p_vaddr;
          const uint64_t to = from + segment.p_memsz;
          if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0 && s.inside >= from && s.inside < to) {
            s.found = {from, to};
          }
        }
        return 0;
      },
      &search);
  return search.found;
}

}  // namespace

void stop_before_futex_waits() {
  const auto operation = static_cast<uint32_t>(offsetof(seccomp_data, args[1]));
  const auto number = static_cast<uint32_t>(offsetof(seccomp_data, nr));
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, number),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 0, 7),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, operation),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, static_cast<uint32_t>(FUTEX_CMD_MASK)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAIT, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAIT_BITSET, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_LOCK_PI, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 13 /* FUTEX_LOCK_PI2 */, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{sizeof code / sizeof code[0], code};
  check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
  check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), "PR_SET_SECCOMP");
}

void seize(pid_t pid) {
  check(ptrace(PTRACE_SEIZE, pid, nullptr, PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP), "PTRACE_SEIZE");
}

void step(pid_t pid) { check(ptrace(PTRACE_SINGLESTEP, pid, nullptr, nullptr), "PTRACE_SINGLESTEP"); }

void resume(pid_t pid, int signal) { check(ptrace(PTRACE_CONT, pid, nullptr, signal), "PTRACE_CONT"); }

uint64_t program_counter(pid_t pid) {
#if defined(__x86_64__)
  errno = 0;
  const long pc = ptrace(PTRACE_PEEKUSER, pid, offsetof(user_regs_struct, rip), nullptr);
  if (errno != 0) check(-1, "PTRACE_PEEKUSER");
  return static_cast<uint64_t>(pc);
#else
  return registers(pid).pc;
#endif
}

void make_wait_endless(pid_t pid) {
  user_regs_struct changed = registers(pid);
  if ((operation_of(changed) & static_cast<uint64_t>(FUTEX_CMD_MASK)) != FUTEX_WAIT_BITSET) return;
  clear_timeout(changed);
  iovec vector{&changed, sizeof changed};
  check(ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &vector), "PTRACE_SETREGSET");
}

bool is_system_call(uint64_t pc) {
  const auto* const code = reinterpret_cast<const unsigned char*>(pc);
#if defined(__x86_64__)
  constexpr unsigned char instruction[] = {0x0f, 0x05};
#else
  constexpr unsigned char instruction[] = {0x01, 0x00, 0x00, 0xd4};
#endif
  return memcmp(code, instruction, sizeof instruction) == 0;
}

uint64_t fingerprint_of_robust_list(pid_t pid) {
  constexpr int longest = 32;
  robust_list_head* head = nullptr;
  size_t size = 0;
  check(syscall(SYS_get_robust_list, pid, &head, &size), "get_robust_list");
  const auto start = reinterpret_cast<uint64_t>(head);
  uint64_t found[3] = {};
  uint64_t hash = 0;
  const auto read = [&](uint64_t address, size_t bytes) {
    iovec local{found, bytes};
    iovec remote{reinterpret_cast<void*>(address), bytes};
    if (process_vm_readv(pid, &local, 1, &remote, 1, 0) != static_cast<ssize_t>(bytes)) return false;
    for (size_t i = 0; i < bytes / sizeof found[0]; ++i) hash = mix(hash, found[i]);
    return true;
  };
  if (!read(start, sizeof found)) return hash;
  const uint64_t offset = found[1];
  uint64_t entry = found[0];
  const uint64_t pending = found[2] & ~uint64_t{1};
  // The words, too: a lock in the list may be any, not only the one under test.
  if (pending != 0) read((pending + offset) & ~uint64_t{7}, sizeof found[0]);
  for (int i = 0; i < longest && (entry & ~uint64_t{1}) != start; ++i) {
    entry &= ~uint64_t{1};
    read((entry + offset) & ~uint64_t{7}, sizeof found[0]);
    if (!read(entry, sizeof found[0])) break;
    entry = found[0];
  }
  return hash;
}

bool is_signal_stop(int status, int signal) {
  return WIFSTOPPED(status) && status >> 16 == 0 && WSTOPSIG(status) == signal;
}

bool is_before_futex_wait(int status) { return WIFSTOPPED(status) && status >> 16 == PTRACE_EVENT_SECCOMP; }

std::string describe(uint64_t pc) {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(pc), &info) == 0) return "unknown code";
  const uint64_t offset = pc - reinterpret_cast<uint64_t>(info.dli_fbase);
  std::ostringstream out;
  out << info.dli_fname << "+0x" << std::hex << offset;
  std::ostringstream command;
  command << "addr2line -Cfpie '" << info.dli_fname << "' 0x" << std::hex << offset << " 2>/dev/null";
  if (FILE* const pipe = popen(command.str().c_str(), "r")) {
    char line[512];
    while (fgets(line, sizeof line, pipe) != nullptr) out << "\n      " << std::string(line, strcspn(line, "\n"));
    pclose(pipe);
  }
  return out.str();
}

bool in_library(uint64_t pc) {
  static const Range code = library_code();
  return pc >= code.from && pc < code.to;
}

bool is_blocked(pid_t pid) { return state_of(pid) == 'S'; }

bool is_blocked_in_futex(pid_t pid) {
  static const std::string futex = std::to_string(SYS_futex) + " ";
  return is_blocked(pid) && first_line(proc(pid, "syscall")).rfind(futex, 0) == 0;
}

long switches(pid_t pid) {
  std::ifstream file(proc(pid, "status"));
  const std::string key = "voluntary_ctxt_switches:";
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(key, 0) == 0) return std::stol(line.substr(key.size()));
  }
  return -1;
}

}  // namespace crash
