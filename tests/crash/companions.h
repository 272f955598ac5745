// Other locks that the victim holds when it dies.
#pragma once

#include <pthread.h>

#include <string>

#include "support/support.h"

namespace crash {

class Companions {
 public:
  explicit Companions(const std::string& directory);

  // In the victim: before and after it acquires what it acquires before its operation, so that the lock under test
  // stands in the middle of its robust list.
  void acquire_first() const;
  void acquire_rest() const;

  // In another process, after the victim's death: the first of them that was not released, or "".
  std::string unreleased() const;

  // For the next victim.
  void renew() const;

 private:
  struct Robust {
    pthread_mutex_t first, second;
  };
  const std::string plain_, fair_;
  mutable support::Shared<Robust> robust_;
};

}  // namespace crash
