#include "companions.h"

#include <errno.h>
#include <shmutex/shmutex.h>
#include <unistd.h>

#include <stdexcept>

namespace crash {
namespace {

void acquire(const std::string& path, unsigned flags) {
  shmutex_t* mutex = nullptr;
  if (shmutex_open(&mutex, path.c_str(), flags, 0) != 0 || shmutex_lock(mutex) != 0) throw std::runtime_error(path);
}

bool was_released(const std::string& path) {
  shmutex_t* mutex = nullptr;
  return shmutex_open(&mutex, path.c_str(), SHMUTEX_ANY_ATTR, 0) == 0 && shmutex_trylock(mutex) == EOWNERDEAD;
}

void acquire(pthread_mutex_t& mutex) {
  if (pthread_mutex_lock(&mutex) != 0) throw std::runtime_error("pthread_mutex_lock");
}

}  // namespace

Companions::Companions(const std::string& directory)
    : plain_(directory + "/other-plain"), fair_(directory + "/other-fair") {}

void Companions::acquire_first() const {
  acquire(plain_, 0);
  acquire(robust_->first);
}

void Companions::acquire_rest() const {
  acquire(fair_, SHMUTEX_FAIR);
  acquire(robust_->second);
}

std::string Companions::unreleased() const {
  if (!was_released(plain_)) return "the plain lock";
  if (!was_released(fair_)) return "the fair lock";
  if (pthread_mutex_trylock(&robust_->first) != EOWNERDEAD) return "the first pthread mutex";
  if (pthread_mutex_trylock(&robust_->second) != EOWNERDEAD) return "the second pthread mutex";
  return "";
}

void Companions::renew() const {
  ::unlink(plain_.c_str());
  ::unlink(fair_.c_str());
  support::make_robust(robust_->first);
  support::make_robust(robust_->second);
}

}  // namespace crash
