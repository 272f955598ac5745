// libFuzzer target: the bytes of a lock file, and of a lock in memory. Everything that parses them must come back with
// a documented code, and what is refused must be left as it was.
//
// An input is a byte of choices and the content: the first 64 bytes and the last 64 of the file, zeros between them.
// What differs from one machine and boot to the next is filled in on request, or no input would ever be a usable lock.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <shmutex/shmutex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <initializer_list>
#include <string>
#include <vector>

namespace {

namespace choice {
constexpr unsigned this_boot = 0x01;
constexpr unsigned this_pid_namespace = 0x02;
constexpr unsigned right_checksum = 0x04;
constexpr unsigned size_shift = 3;  // two bits: as the input is; 4096, 8192, 65536 bytes
constexpr unsigned in_memory = 0x20;
constexpr unsigned wrong_size = 0x40;  // three times as large: that of no page
}  // namespace choice

// Where things lie is part of the format: tests/core holds these to the layout's headers.
constexpr size_t line_size = 64;
constexpr size_t header_size = 128;
constexpr size_t boot_id_offset = 8;
constexpr size_t validity_offset = 24;
constexpr size_t pid_namespace_offset = 80;
constexpr size_t checksum_offset = 88;

using Bytes = std::vector<uint8_t>;

constexpr char directory[] = "/dev/shm";
constexpr char prefix[] = "shmutex-fuzz-";

// What a run that was killed left behind.
void clear_away_leftovers() {
  DIR* const names = opendir(directory);
  while (const dirent* entry = names == nullptr ? nullptr : readdir(names)) {
    if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0) continue;
    const auto pid = static_cast<pid_t>(strtol(entry->d_name + strlen(prefix), nullptr, 10));
    if (pid > 0 && kill(pid, 0) != 0 && errno == ESRCH) unlinkat(dirfd(names), entry->d_name, 0);
  }
  if (names != nullptr) closedir(names);
}

const std::string& path() {
  static const std::string name = [] {
    clear_away_leftovers();
    return std::string(directory) + "/" + prefix + std::to_string(getpid());
  }();
  return name;
}

void require(bool condition, const char* what) {
  if (condition) return;
  fprintf(stderr, "fuzz_file: %s: %s\n", what, shmutex_error_detail());
  unlink(path().c_str());
  abort();
}

void require_one_of(int result, std::initializer_list<int> documented, const char* what) {
  if (std::find(documented.begin(), documented.end(), result) != documented.end()) return;
  fprintf(stderr, "fuzz_file: result %d\n", result);
  require(false, what);
}

struct TidScope {
  uint8_t boot_id[16];
  uint64_t pid_namespace;
};

const TidScope& this_tid_scope() {
  static const TidScope scope = [] {
    TidScope found{};
    size_t digits = 0;
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    for (char c = 0; digits < 32 && file.get(c);) {
      if (c == '-') continue;
      const char text[] = {c, '\0'};
      uint8_t& byte = found.boot_id[digits++ / 2];
      byte = static_cast<uint8_t>(byte << 4 | strtol(text, nullptr, 16));
    }
    struct stat status {};
    require(digits == 32 && stat("/proc/self/ns/pid", &status) == 0, "cannot read the scope");
    found.pid_namespace = status.st_ino;
    return found;
  }();
  return scope;
}

// FNV-1a, as the format has it.
uint64_t checksum_of(const Bytes& content) {
  uint64_t hash = 0xcbf2'9ce4'8422'2325;
  for (size_t i = 0; i < checksum_offset; ++i) {
    const bool summed = i < validity_offset || i >= validity_offset + 4;
    hash = (hash ^ (summed ? content[i] : 0u)) * 0x100'0000'01b3;
  }
  return hash;
}

void fill_in(Bytes& content, unsigned choices) {
  if (content.size() < header_size) return;
  const TidScope& scope = this_tid_scope();
  if ((choices & choice::this_boot) != 0) memcpy(&content[boot_id_offset], scope.boot_id, sizeof scope.boot_id);
  if ((choices & choice::this_pid_namespace) != 0) memcpy(&content[pid_namespace_offset], &scope.pid_namespace, 8);
  if ((choices & choice::right_checksum) != 0) {
    const uint64_t sum = checksum_of(content);
    memcpy(&content[checksum_offset], &sum, sizeof sum);
  }
}

// The input's bytes at the two ends of `size` bytes, where the fields are; 0: as they are.
Bytes spread(const uint8_t* data, size_t length, size_t size) {
  if (size == 0) return Bytes(data, data + length);
  Bytes content(size);
  const size_t head = std::min(length, header_size);
  std::copy_n(data, head, content.begin());
  const size_t tail = std::min(length - head, line_size);
  std::copy_n(data + head, tail, content.end() - line_size);
  return content;
}

void try_info(const shmutex_t* m) {
  shmutex_info_t info{};
  info.size = sizeof info;
  require(shmutex_info(m, &info) == 0, "info");
  require(
      info.state <= SHMUTEX_STATE_RETIRED && (info.attributes & ~3u) == 0 && info.waiters <= 1 && info.owner_tid >= 0,
      "info: a field out of its range");
  shmutex_token(m);
}

// In memory: attach and look. The private line lies in the memory, too, and its pointers are believed: they are not
// among what is promised against liars (shmutex.h), so the lock is not acquired. An input that ends before it gets one
// that fits.
void try_memory(const Bytes& content) {
  constexpr size_t attributes_offset = header_size + line_size + 36;
  constexpr size_t header_attributes_offset = 44;
  constexpr uint32_t is_memory = 0x800;
  alignas(SHMUTEX_ALIGN) static uint8_t memory[SHMUTEX_SIZE];
  memset(memory, 0, sizeof memory);
  std::copy_n(content.begin(), std::min(content.size(), sizeof memory), memory);
  if (content.size() <= attributes_offset) {
    uint32_t attributes = 0;
    memcpy(&attributes, memory + header_attributes_offset, sizeof attributes);
    attributes |= is_memory;
    memcpy(memory + attributes_offset, &attributes, sizeof attributes);
  }
  const Bytes before(memory, memory + sizeof memory);
  shmutex_t* m = nullptr;
  const int attached = shmutex_attach(&m, memory, sizeof memory, SHMUTEX_ANY_ATTR);
  require_one_of(attached, {0, EBADMSG, EPROTONOSUPPORT, ESTALE}, "attach");
  require((attached == 0) == (m != nullptr), "attach: handle");
  if (attached == 0) {
    try_info(m);
    require(shmutex_close(m) == 0, "close of a lock in memory");
  }
  require(std::equal(before.begin(), before.end(), memory), "looking wrote to the memory");
}

void use(shmutex_t* m) {
  try_info(m);
  int locked = shmutex_trylock(m);
  require_one_of(locked, {0, EOWNERDEAD, EBUSY, ENOTRECOVERABLE, EIDRM}, "trylock");
  if (locked != 0 && locked != EOWNERDEAD) {
    locked = shmutex_timedlock(m, 0);
    require_one_of(locked, {0, EOWNERDEAD, ETIMEDOUT, EDEADLK, ENOTRECOVERABLE, EIDRM}, "timedlock");
  }
  if (locked == EOWNERDEAD) require(shmutex_consistent(m) == 0, "consistent");
  if (locked == 0 || locked == EOWNERDEAD) {
    require(shmutex_is_owned(m) == 1, "acquired, and not owned");
    require(shmutex_unlock(m) == 0, "unlock");
  }
  require(shmutex_close(m) == 0, "close");
}

// What is in the file is what was written, to the byte.
bool is_unchanged(int fd, const Bytes& content) {
  Bytes after(content.size() + 1);
  if (pread(fd, after.data(), after.size(), 0) != static_cast<ssize_t>(content.size())) return false;
  after.resize(content.size());
  return after == content;
}

int inspect(shmutex_info_t& info) {
  info = {};
  info.size = sizeof info;
  return shmutex_inspect(path().c_str(), &info);
}

void try_file(const Bytes& content) {
  unlink(path().c_str());
  const int fd = open(path().c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  require(fd >= 0, "cannot make the file");
  const ssize_t written = content.empty() ? 0 : write(fd, content.data(), content.size());
  require(written == static_cast<ssize_t>(content.size()), "cannot fill the file");

  shmutex_info_t info{};
  const int looked = inspect(info);
  require_one_of(looked, {0, EBADMSG, EPROTONOSUPPORT}, "inspect");
  require(looked != 0 || info.state <= SHMUTEX_STATE_RETIRED, "inspect: state");
  require(is_unchanged(fd, content), "inspect wrote to the file");

  shmutex_t* m = nullptr;
  const int opened = shmutex_open(&m, path().c_str(), SHMUTEX_ANY_ATTR | SHMUTEX_MUST_EXIST, 0);
  // ENOENT: it said that it was removed, so the opener did that.
  require_one_of(opened, {0, EBADMSG, EPROTONOSUPPORT, ENOENT}, "open");
  require((opened == 0) == (m != nullptr), "open: handle");
  const bool has_room = content.size() >= header_size + line_size;
  require(!has_room || (looked == EBADMSG) == (opened == EBADMSG), "open and inspect disagree on whether it is a lock");
  if (opened == EBADMSG || opened == EPROTONOSUPPORT) {
    require(*shmutex_error_detail() != '\0', "no detail");
    require(is_unchanged(fd, content), "a refused file was written to");
  }
  if (opened == 0) {
    require(inspect(info) == 0 && info.same_boot == 1 && info.same_pid_namespace == 1,
            "open, and yet not of this scope");
    use(m);
  }
  close(fd);
  unlink(path().c_str());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const unsigned choices = size == 0 ? 0 : data[0];
  constexpr size_t sizes[] = {0, 4096, 8192, 65536};
  const size_t length = size == 0 ? 0 : size - 1;
  const bool in_memory = (choices & choice::in_memory) != 0;
  const size_t pages = (choices & choice::wrong_size) != 0 ? 3 : 1;
  const size_t file_size = in_memory ? 0 : pages * sizes[choices >> choice::size_shift & 3];
  Bytes content = spread(data + (size - length), length, file_size);
  fill_in(content, choices);
  if (in_memory) {
    try_memory(content);
  } else {
    try_file(content);
  }
  return 0;
}
