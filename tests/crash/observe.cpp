#include "observe.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <shmutex/shmutex.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <sstream>
#include <system_error>

#include "support/seccomp.h"

namespace crash {
namespace {

void check(long result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
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
  constexpr uint32_t waits[] = {FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_LOCK_PI, 13 /* FUTEX_LOCK_PI2 */};
  const uint32_t command = FUTEX_CMD_MASK;
  support::SeccompFilter filter;
  filter.on(SYS_futex, {1, command, {std::begin(waits), std::end(waits)}}, SECCOMP_RET_TRACE);
  check(filter.install() ? 0 : -1, "seccomp");
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
