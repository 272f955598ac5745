#include "support/hang_report.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <vector>

#include "mutex/layout.h"
#include "object/header.h"
#include "os/robust_word.h"

namespace support {
namespace {

using shmutex::Header;
using shmutex::SharedLine;

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::vector<pid_t> numbers_in(const std::string& directory) {
  std::vector<pid_t> found;
  if (DIR* const d = opendir(directory.c_str())) {
    while (const dirent* const entry = readdir(d)) {
      if (const int number = atoi(entry->d_name); number > 0) found.push_back(number);
    }
    closedir(d);
  }
  return found;
}

pid_t parent_of(pid_t pid) {
  const std::string stat = first_line("/proc/" + std::to_string(pid) + "/stat");
  const size_t after_name = stat.rfind(')');
  pid_t parent = 0;
  if (after_name != std::string::npos) sscanf(stat.c_str() + after_name, ") %*c %d", &parent);
  return parent;
}

std::vector<pid_t> family() {
  std::multimap<pid_t, pid_t> children;
  for (const pid_t pid : numbers_in("/proc")) children.emplace(parent_of(pid), pid);
  std::vector<pid_t> found{getpid()};
  for (size_t i = 0; i < found.size(); ++i) {
    const auto [from, to] = children.equal_range(found[i]);
    for (auto child = from; child != to; ++child) found.push_back(child->second);
  }
  return found;
}

template <class T>
T at(const std::vector<unsigned char>& memory, size_t offset) {
  T value;
  memcpy(&value, memory.data() + offset, sizeof value);
  return value;
}

std::string describe_line(const SharedLine& line) {
  char text[256];
  snprintf(text, sizeof text,
           "word %08x, baton %08x, state %x, yield until %lu, depth %u, last owner %lu of %lu, token %lu, last dead %u",
           line.word, line.baton, line.state, line.yield_until, line.depth, line.last_owner & 0xffff'ffff,
           line.last_owner >> 32, line.token, line.last_dead_tid);
  return text;
}

void describe_locks_in(const std::vector<unsigned char>& memory, const std::string& where, std::ostream& out) {
  for (size_t offset = 0; offset + sizeof(Header) + sizeof(SharedLine) <= memory.size(); offset += sizeof(Header)) {
    const auto header = at<Header>(memory, offset);
    size_t line = offset + sizeof(Header);
    if (header.magic == shmutex::file_magic && offset + header.unit_size <= memory.size() &&
        header.unit_size >= sizeof header + sizeof(SharedLine)) {
      line = offset + header.unit_size - sizeof(SharedLine);
    } else if (header.magic != shmutex::buffer_magic) {
      continue;
    }
    out << "  lock in " << where << " at " << offset << ": " << describe_line(at<SharedLine>(memory, line)) << "\n";
  }
}

// Each piece of shared memory once, however many processes map it.
void describe_locks_of(pid_t pid, std::set<std::string>& seen, std::ostream& out) {
  std::ifstream maps("/proc/" + std::to_string(pid) + "/maps");
  for (std::string line; std::getline(maps, line);) {
    unsigned long from = 0, to = 0, offset = 0, inode = 0;
    char rights[8] = "", device[16] = "", name[512] = "";
    if (sscanf(line.c_str(), "%lx-%lx %7s %lx %15s %lu %511[^\n]", &from, &to, rights, &offset, device, &inode, name) <
        6)
      continue;
    constexpr size_t most = 1 << 20;
    if (strcmp(rights, "rw-s") != 0 || to - from > most) continue;
    if (!seen.insert(std::string(device) + " " + std::to_string(inode) + " " + std::to_string(offset)).second) continue;
    std::vector<unsigned char> memory(to - from);
    const iovec local{memory.data(), memory.size()};
    const iovec remote{reinterpret_cast<void*>(from), memory.size()};
    if (process_vm_readv(pid, &local, 1, &remote, 1, 0) != static_cast<ssize_t>(memory.size())) continue;
    describe_locks_in(memory, name, out);
  }
}

}  // namespace

std::string describe_thread(pid_t tid) {
  const std::string directory = "/proc/" + std::to_string(tid) + "/";
  const std::string stat = first_line(directory + "stat");
  const size_t after_name = stat.rfind(')');
  if (after_name == std::string::npos || after_name + 2 >= stat.size()) return "gone";
  return std::string("state ") + stat[after_name + 2] + ", wchan " + first_line(directory + "wchan") +
         ", system call " + first_line(directory + "syscall");
}

std::string hang_report() {
  std::ostringstream out;
  std::set<std::string> seen;
  const std::vector<pid_t> processes = family();
  for (const pid_t pid : processes) {
    for (const pid_t tid : numbers_in("/proc/" + std::to_string(pid) + "/task")) {
      out << "  thread " << tid << " of process " << pid << ": " << describe_thread(tid) << "\n";
    }
  }
  for (const pid_t pid : processes) describe_locks_of(pid, seen, out);
  return out.str();
}

}  // namespace support
