// libFuzzer target: the bytes of a lock file. Everything that parses them must come back with a documented code, and a
// file that is refused must be left as it was.
#include <errno.h>
#include <fcntl.h>
#include <shmutex/shmutex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <vector>

namespace {

const std::string& path() {
  static const std::string made = [] {
    char name[] = "/dev/shm/shmutex-fuzz-XXXXXX";
    if (mkdtemp(name) == nullptr) abort();
    static std::string directory = name;
    atexit([] {
      unlink((directory + "/lock").c_str());
      rmdir(directory.c_str());
    });
    return directory + "/lock";
  }();
  return made;
}

void require(bool condition, const char* what) {
  if (condition) return;
  fprintf(stderr, "fuzz_file: %s\n", what);
  abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  unlink(path().c_str());
  // A leading byte chooses the size: mostly that of a lock file, with the bytes at its two ends, where the fields are.
  std::vector<uint8_t> content;
  if (size > 0 && data[0] % 4 != 0) {
    content.resize(4096);
    const size_t head = size - 1 < 64 ? size - 1 : 64;
    memcpy(content.data(), data + 1, head);
    const size_t tail = size - 1 - head < 64 ? size - 1 - head : 64;
    memcpy(content.data() + content.size() - 64, data + 1 + head, tail);
  } else if (size > 0) {
    content.assign(data + 1, data + size);
  }
  const int fd = open(path().c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  require(fd >= 0, "cannot make the file");
  if (!content.empty()) {
    require(write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size()), "cannot fill the file");
  }

  shmutex_info_t info{};
  info.size = sizeof info;
  const int looked = shmutex_inspect(path().c_str(), &info);
  require(looked == 0 || looked == EBADMSG || looked == EPROTONOSUPPORT, "inspect");
  require(looked != 0 || info.state <= SHMUTEX_STATE_RETIRED, "inspect: state");

  shmutex_t* m = nullptr;
  const int opened = shmutex_open(&m, path().c_str(), SHMUTEX_ANY_ATTR | SHMUTEX_MUST_EXIST, 0);
  require(opened == 0 || opened == EBADMSG || opened == EPROTONOSUPPORT || opened == ENOENT, "open");
  require(*shmutex_error_detail() != '\0' || opened == 0, "no detail");
  if (opened == EBADMSG || opened == EPROTONOSUPPORT) {
    std::vector<uint8_t> after(content.size() + 1);
    require(pread(fd, after.data(), after.size(), 0) == static_cast<ssize_t>(content.size()), "a refused file changed its size");
    after.resize(content.size());
    require(after == content, "a refused file was written to");
  }
  if (opened == 0) {
    require(shmutex_info(m, &info) == 0, "info");
    const int locked = shmutex_trylock(m);
    if (locked == 0 || locked == EOWNERDEAD) require(shmutex_unlock(m) == 0, "unlock");
    require(shmutex_close(m) == 0, "close");
  }
  close(fd);
  return 0;
}
