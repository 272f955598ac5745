#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <shmutex/shmutex.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <sstream>

#include "base/atomics.h"
#include "mutex/layout.h"
#include "object/header.h"
#include "os/robust_word.h"
#include "support/support.h"

namespace crash {
namespace {

using shmutex::load_relaxed;
using shmutex::SharedLine;
namespace word = shmutex::word;
namespace state = shmutex::state;

View view_of(const SharedLine& line, bool complete) {
  const uint32_t found = load_relaxed(line.word);
  const uint32_t bits = load_relaxed(line.state);
  View out;
  out.exists = true;
  out.owner = word::tid(found);
  out.owner_died = (found & word::owner_died) != 0 || (bits & state::inconsistent) != 0;
  out.poisoned = (bits & state::poisoned) != 0;
  out.retired = (bits & state::retired) != 0;
  out.complete = complete;
  out.token = load_relaxed(line.token);
  return out;
}

std::string raw(const SharedLine& line) {
  std::ostringstream out;
  out << std::hex << "word 0x" << load_relaxed(line.word) << ", baton 0x" << load_relaxed(line.baton) << ", state 0x"
      << load_relaxed(line.state) << ", yield until " << load_relaxed(line.yield_until);
  return out.str();
}

class Ours : public Subject {
 public:
  int lock() override { return shmutex_lock(handle_); }
  int trylock() override { return shmutex_trylock(handle_); }
  int timedlock(int64_t timeout_ns) override { return shmutex_timedlock(handle_, timeout_ns); }
  int unlock() override { return shmutex_unlock(handle_); }
  int consistent() override { return shmutex_consistent(handle_); }
  int poison() override { return shmutex_poison(handle_); }
  int close() override { return shmutex_close(handle_); }
  uint64_t token() override { return shmutex_token(handle_); }

 protected:
  shmutex_t* handle_ = nullptr;
};

class InFile : public Ours {
 public:
  InFile(Kind kind, std::string path) : flags_(kind.attributes), path_(std::move(path)) {}
  ~InFile() override { InFile::forget(); }

  int open() override { return shmutex_open(&handle_, path_.c_str(), flags_, 0); }
  int create() override { return open(); }
  int remove() override { return shmutex_unlink(path_.c_str(), 0); }
  int initialise() override { return ENOTSUP; }

  void forget() override {
    if (page_ != MAP_FAILED) munmap(page_, size_);
    page_ = MAP_FAILED;
    ::unlink(path_.c_str());
  }

  // Stays with the file that it saw first, whatever becomes of the name.
  View look() override {
    if (page_ == MAP_FAILED) {
      const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
      if (fd < 0) return {};
      page_ = mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd, 0);
      ::close(fd);
      if (page_ == MAP_FAILED) return {};
    }
    return view_of(line(), load_relaxed(header().validity) == shmutex::validity::valid);
  }

  std::string bytes() override {
    if (!look().exists) return "";
    return std::string(reinterpret_cast<const char*>(&header()), sizeof(shmutex::Header)) +
           std::string(reinterpret_cast<const char*>(&line()), sizeof(SharedLine));
  }

  std::string inspect() const override {
    shmutex_info_t info{};
    info.size = sizeof info;
    std::ostringstream out;
    if (const int error = shmutex_inspect(path_.c_str(), &info); error != 0) {
      out << "shmutex_inspect: " << strerror(error);
    } else {
      out << "state " << info.state << ", owner " << info.owner_tid << " of " << info.owner_pid << ", waiters "
          << info.waiters << ", depth " << info.depth << ", token " << info.token << ", last dead "
          << info.last_dead_tid;
    }
    if (page_ != MAP_FAILED) out << "; " << raw(line());
    return out.str();
  }

 private:
  const shmutex::Header& header() const { return *static_cast<const shmutex::Header*>(page_); }
  const SharedLine& line() const {
    return *reinterpret_cast<const SharedLine*>(static_cast<const char*>(page_) + size_ - sizeof(SharedLine));
  }

  const unsigned flags_;
  const std::string path_;
  const size_t size_ = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* page_ = MAP_FAILED;
};

class InBuffer : public Ours {
 public:
  explicit InBuffer(Kind kind) : flags_(kind.attributes) {}

  // Any process may be the first; so none has to be.
  int open() override { return look().complete ? attach(0) : create(); }
  int create() override { return attach(SHMUTEX_INIT_ONCE); }
  int remove() override { return shmutex_destroy(&*memory_, SHMUTEX_SIZE); }
  int initialise() override { return shmutex_init(&*memory_, SHMUTEX_SIZE, flags_); }
  void forget() override { *memory_ = {}; }

  View look() override { return view_of(line(), load_relaxed(header().validity) == shmutex::validity::valid); }
  std::string bytes() override { return {reinterpret_cast<const char*>(memory_->bytes.data()), SHMUTEX_SIZE}; }
  std::string inspect() const override { return raw(line()); }

 private:
  struct alignas(SHMUTEX_ALIGN) Memory {
    std::array<unsigned char, SHMUTEX_SIZE> bytes{};
  };

  int attach(unsigned how) { return shmutex_attach(&handle_, &*memory_, SHMUTEX_SIZE, flags_ | how); }

  const shmutex::Header& header() const { return *reinterpret_cast<const shmutex::Header*>(memory_->bytes.data()); }
  const SharedLine& line() const {
    return *reinterpret_cast<const SharedLine*>(memory_->bytes.data() + sizeof(shmutex::Header));
  }

  const unsigned flags_;
  mutable support::Shared<Memory> memory_;
};

class Pthread : public Subject {
 public:
  Pthread() { Pthread::forget(); }

  int open() override { return 0; }
  int create() override { return 0; }
  int lock() override { return pthread_mutex_lock(&*mutex_); }
  int trylock() override { return pthread_mutex_trylock(&*mutex_); }
  int timedlock(int64_t timeout_ns) override {
    timespec until{};
    clock_gettime(CLOCK_MONOTONIC, &until);
    const int64_t total = until.tv_nsec + timeout_ns;
    until.tv_sec += total / support::second;
    until.tv_nsec = total % support::second;
    return pthread_mutex_clocklock(&*mutex_, CLOCK_MONOTONIC, &until);
  }
  int unlock() override { return pthread_mutex_unlock(&*mutex_); }
  int consistent() override { return pthread_mutex_consistent(&*mutex_); }
  int poison() override { return ENOTSUP; }
  int close() override { return 0; }
  uint64_t token() override { return 0; }
  int remove() override { return ENOTSUP; }
  int initialise() override { return ENOTSUP; }

  void forget() override {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&*mutex_, &attributes);
    pthread_mutexattr_destroy(&attributes);
  }

  View look() override {
    View out;
    const uint32_t found = word_value();
    out.exists = out.complete = true;
    out.owner = word::tid(found);
    out.owner_died = (found & word::owner_died) != 0;
    return out;
  }
  std::string bytes() override { return {reinterpret_cast<const char*>(&*mutex_), sizeof(pthread_mutex_t)}; }
  std::string inspect() const override {
    std::ostringstream out;
    out << std::hex << "word 0x" << word_value();
    return out.str();
  }

 private:
  // glibc's lock word is the first member.
  uint32_t word_value() const { return load_relaxed(*reinterpret_cast<const uint32_t*>(&*mutex_)); }

  mutable support::Shared<pthread_mutex_t> mutex_;
};

}  // namespace

std::string to_string(const View& view) {
  if (!view.exists) return "no lock there";
  std::ostringstream out;
  out << (view.complete ? "complete" : "incomplete") << ", owner " << view.owner
      << (view.owner_died ? ", owner died" : "") << (view.poisoned ? ", poisoned" : "")
      << (view.retired ? ", retired" : "") << ", token " << view.token;
  return out.str();
}

std::unique_ptr<Subject> make_subject(Kind kind, const std::string& path) {
  if (kind.in_buffer) return std::make_unique<InBuffer>(kind);
  return std::make_unique<InFile>(kind, path);
}

std::unique_ptr<Subject> make_glibc_subject() { return std::make_unique<Pthread>(); }

}  // namespace crash
