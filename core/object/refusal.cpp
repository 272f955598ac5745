#include "object/refusal.h"

#include <errno.h>

#include "error/failure.h"

namespace shmutex {

int refuse(HeaderStatus status, const Header& found, uint64_t size, const Kind& asked_for, const char* path) {
  const Understood* const understood = understood_of(found.kind, asked_for);
  switch (status) {
    case HeaderStatus::foreign:
      return path == nullptr ? fail(EBADMSG, Reason::buffer_not_a_lock) : fail(EBADMSG, Reason::not_a_lock, path, size);
    case HeaderStatus::unknown_kind: return fail(EPROTONOSUPPORT, Reason::unknown_kind, path, found.kind);
    case HeaderStatus::unknown_features:
      return fail(EPROTONOSUPPORT, Reason::unknown_features, path, found.must_understand & ~understood->features,
                  found.kind);
    case HeaderStatus::unknown_attributes:
      return fail(EPROTONOSUPPORT, Reason::unknown_attributes, path, found.attributes & ~understood->attributes,
                  found.kind);
    case HeaderStatus::other_kind:
      return fail(EPROTOTYPE, Reason::other_kind, path, found.kind, asked_for.understood.kind);
    case HeaderStatus::other_format:
      return fail(EPROTONOSUPPORT, Reason::other_format, path, found.version, format_version);
    case HeaderStatus::usable:
    case HeaderStatus::copied:
    case HeaderStatus::stale:
    case HeaderStatus::half_reset: return 0;
  }
  return 0;
}

}  // namespace shmutex
