#include "os/cpu.h"

#include "base/annotate.h"
#include "base/atomics.h"
#include "os/syscall.h"

namespace shmutex {

int usable_cpus() {
  static int cpus = 0;
  int known = load_relaxed(cpus);
  if (unlikely(known == 0)) {
    unsigned long mask[128] = {};
    const long bytes = raw_syscall(SYS_sched_getaffinity, 0, sizeof mask, as_arg(mask));
    for (long i = 0; i < bytes / static_cast<long>(sizeof mask[0]); ++i) {
      for (unsigned long bits = mask[i]; bits != 0; bits &= bits - 1) ++known;
    }
    if (known == 0) known = 1;
    annotate::untrack(&cpus, sizeof cpus);
    store_relaxed(cpus, known);
  }
  return known;
}

}  // namespace shmutex
