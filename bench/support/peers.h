// The locks that are compared, all with one face:
//
//   X()              makes a lock that forked children share
//   join()           in each process, before its first use
//   lock()           0, or EOWNERDEAD: held, and the last owner died
//   recover()        after EOWNERDEAD
//   unlock()
//   id, robust       name in options and results; whether an owner's death releases it
//
// Destructors run in the process that made the lock: children leave by _exit().
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <shmutex/shmutex.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/named_mutex.hpp>
#include <string>
#include <string_view>

#include "support/system.h"

namespace bench {

inline std::string fresh_name() {
  static std::atomic<int> count{0};
  return "lock" + std::to_string(getpid()) + "-" + std::to_string(++count);
}

// --- ours, through the public shared library -------------------------------------------------------------------------

template <unsigned flags>
class OurFile {
 public:
  static constexpr bool robust = true;
  OurFile() { check(shmutex_open(&lock_, path_.c_str(), flags, 0), "shmutex_open"); }
  ~OurFile() {
    check(shmutex_close(lock_), "shmutex_close");
    check(shmutex_unlink(path_.c_str(), 0), "shmutex_unlink");
  }
  OurFile(const OurFile&) = delete;
  OurFile& operator=(const OurFile&) = delete;
  void join() {}
  int lock() { return shmutex_lock(lock_); }
  void recover() { check(shmutex_consistent(lock_), "shmutex_consistent"); }
  void unlock() { shmutex_unlock(lock_); }

 private:
  std::string path_ = scratch_file(fresh_name());
  shmutex_t* lock_ = nullptr;
};

struct OurPlain : OurFile<0> {
  static constexpr std::string_view id = "shmutex";
};
struct OurFair : OurFile<SHMUTEX_FAIR> {
  static constexpr std::string_view id = "shmutex-fair";
};
struct OurRecursive : OurFile<SHMUTEX_RECURSIVE> {
  static constexpr std::string_view id = "shmutex-recursive";
};

class OurBuffer {
 public:
  static constexpr std::string_view id = "shmutex-buffer";
  static constexpr bool robust = true;
  OurBuffer() {
    check(shmutex_init(&*memory_, sizeof(Memory), 0), "shmutex_init");
    check(shmutex_attach(&lock_, &*memory_, sizeof(Memory), 0), "shmutex_attach");
  }
  ~OurBuffer() { check(shmutex_close(lock_), "shmutex_close"); }
  OurBuffer(const OurBuffer&) = delete;
  OurBuffer& operator=(const OurBuffer&) = delete;
  void join() {}
  int lock() { return shmutex_lock(lock_); }
  void recover() { check(shmutex_consistent(lock_), "shmutex_consistent"); }
  void unlock() { shmutex_unlock(lock_); }

 private:
  struct alignas(SHMUTEX_ALIGN) Memory {
    char bytes[SHMUTEX_SIZE];
  };
  Shared<Memory> memory_;
  shmutex_t* lock_ = nullptr;
};

// --- glibc -----------------------------------------------------------------------------------------------------------

enum class Glibc { plain, robust, robust_pi };

inline void init_glibc(pthread_mutex_t& mutex, Glibc kind) {
  pthread_mutexattr_t attributes;
  check(pthread_mutexattr_init(&attributes), "pthread_mutexattr_init");
  check(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED), "pthread_mutexattr_setpshared");
  if (kind != Glibc::plain) {
    check(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST), "pthread_mutexattr_setrobust");
    check(pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK), "pthread_mutexattr_settype");
  }
  if (kind == Glibc::robust_pi) {
    check(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT), "pthread_mutexattr_setprotocol");
  }
  check(pthread_mutex_init(&mutex, &attributes), "pthread_mutex_init");
}

template <Glibc kind>
class GlibcMutex {
 public:
  static constexpr bool robust = kind != Glibc::plain;
  GlibcMutex() { init_glibc(mutex_, kind); }
  void join() {}
  int lock() { return pthread_mutex_lock(&mutex_); }
  void recover() { check(pthread_mutex_consistent(&mutex_), "pthread_mutex_consistent"); }
  void unlock() { pthread_mutex_unlock(&mutex_); }

 private:
  Shared<pthread_mutex_t> memory_;
  pthread_mutex_t& mutex_ = *memory_;
};

struct GlibcPlain : GlibcMutex<Glibc::plain> {
  static constexpr std::string_view id = "glibc-plain";
};
struct GlibcRobust : GlibcMutex<Glibc::robust> {
  static constexpr std::string_view id = "glibc-robust";
};
struct GlibcRobustPi : GlibcMutex<Glibc::robust_pi> {
  static constexpr std::string_view id = "glibc-robust-pi";
};

// A semaphore used as a lock.
class Semaphore {
 public:
  static constexpr std::string_view id = "sem_t";
  static constexpr bool robust = false;
  Semaphore() {
    if (sem_init(&semaphore_, 1, 1) != 0) die("sem_init");
  }
  void join() {}
  int lock() { return sem_wait(&semaphore_); }
  void recover() {}
  void unlock() { sem_post(&semaphore_); }

 private:
  Shared<sem_t> memory_;
  sem_t& semaphore_ = *memory_;
};

// --- locks on files --------------------------------------------------------------------------------------------------

// These locks belong to an open file description, so each process opens the file for itself.
class OpenedFile {
 public:
  OpenedFile() : path_(scratch_file(fresh_name())) { join(); }
  ~OpenedFile() {
    close(descriptor_);
    unlink(path_.c_str());
  }
  OpenedFile(const OpenedFile&) = delete;
  OpenedFile& operator=(const OpenedFile&) = delete;
  void join() {
    if (descriptor_ >= 0) close(descriptor_);
    descriptor_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor_ < 0) die("open");
  }
  void recover() {}

 protected:
  int descriptor_ = -1;

 private:
  std::string path_;
};

class Flock : public OpenedFile {
 public:
  static constexpr std::string_view id = "flock";
  static constexpr bool robust = true;
  int lock() { return flock(descriptor_, LOCK_EX); }
  void unlock() { flock(descriptor_, LOCK_UN); }
};

class OfdLock : public OpenedFile {
 public:
  static constexpr std::string_view id = "ofd-lock";
  static constexpr bool robust = true;
  int lock() { return set(F_WRLCK, F_OFD_SETLKW); }
  void unlock() { set(F_UNLCK, F_OFD_SETLK); }

 private:
  int set(int type, int command) {
    struct flock whole {};
    whole.l_type = static_cast<short>(type);
    whole.l_whence = SEEK_SET;
    return fcntl(descriptor_, command, &whole);
  }
};

// --- boost::interprocess ---------------------------------------------------------------------------------------------

class BoostMutex {
 public:
  static constexpr std::string_view id = "boost-interprocess";
  static constexpr bool robust = false;
  BoostMutex() : mutex_(*new (memory_) Mutex) {}
  ~BoostMutex() { unmap(memory_, sizeof(Mutex)); }
  BoostMutex(const BoostMutex&) = delete;
  BoostMutex& operator=(const BoostMutex&) = delete;
  void join() {}
  int lock() {
    mutex_.lock();
    return 0;
  }
  void recover() {}
  void unlock() { mutex_.unlock(); }

 private:
  using Mutex = boost::interprocess::interprocess_mutex;
  void* memory_ = shared_bytes(sizeof(Mutex));
  Mutex& mutex_;
};

class BoostNamedMutex {
 public:
  static constexpr std::string_view id = "boost-named";
  static constexpr bool robust = false;
  ~BoostNamedMutex() { boost::interprocess::named_mutex::remove(name_.c_str()); }
  void join() {}
  int lock() {
    mutex_.lock();
    return 0;
  }
  void recover() {}
  void unlock() { mutex_.unlock(); }

 private:
  std::string name_ = "shmutex-bench-" + fresh_name();
  boost::interprocess::named_mutex mutex_{boost::interprocess::create_only, name_.c_str(), 0600};
};

// --- the floor: two atomic read-modify-writes, inlined
// ----------------------------------------------------------------

class BareRmwPair {
 public:
  static constexpr std::string_view id = "bare-rmw";
  static constexpr bool robust = false;
  void join() {}
  int lock() {
    uint32_t expected = 0;
    return word_.compare_exchange_strong(expected, 1, std::memory_order_acquire, std::memory_order_relaxed) ? 0 : EBUSY;
  }
  void recover() {}
  void unlock() {
    uint32_t expected = 1;
    word_.compare_exchange_strong(expected, 0, std::memory_order_release, std::memory_order_relaxed);
  }

 private:
  Shared<std::atomic<uint32_t>> memory_;
  std::atomic<uint32_t>& word_ = *memory_;
};

// --- all of them -----------------------------------------------------------------------------------------------------

template <class Visitor, class... Peers>
void visit_each(Visitor&& visitor) {
  (visitor.template operator()<Peers>(), ...);
}

// visitor.operator()<Peer>() for each lock that makes others wait.
template <class Visitor>
void for_each_peer(Visitor&& visitor) {
  visit_each<Visitor, OurPlain, OurFair, OurRecursive, OurBuffer, GlibcRobust, GlibcPlain, GlibcRobustPi, Semaphore,
             Flock, OfdLock, BoostMutex, BoostNamedMutex>(std::forward<Visitor>(visitor));
}

}  // namespace bench
