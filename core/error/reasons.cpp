#include "error/reasons.h"

#include <errno.h>
#include <string.h>

namespace shmutex {
namespace {

constexpr ReasonText texts[] = {
    {"", "", ""},
#define REASON(name, fact, advice) {#name, fact, advice},
#include "error/reasons.inc"
#undef REASON
};
static_assert(sizeof texts / sizeof texts[0] == static_cast<size_t>(Reason::count));

}  // namespace

const ReasonText& text_of(Reason reason) { return texts[static_cast<size_t>(reason)]; }

Reason reason_of_kernel(int error) {
  switch (error) {
    case EACCES:
    case EPERM: return Reason::no_permission;
    case ENOENT: return Reason::no_directory;
    case ENOTDIR: return Reason::not_a_directory;
    case ENOSPC:
    case EDQUOT: return Reason::no_space;
    case EMFILE:
    case ENFILE: return Reason::no_descriptors;
    case EFBIG: return Reason::file_too_large;
    case EBUSY: return Reason::mount_point;
    case EROFS: return Reason::read_only;
    case ENAMETOOLONG: return Reason::name_too_long;
    case ENOSYS: return Reason::no_system_call;
    default: return Reason::kernel;
  }
}

const char* code_text(int code) {
  switch (code) {
    case 0: return "Success.";
    case EOWNERDEAD:
      return "The lock is held, and a previous owner died inside: repair the data and declare it consistent.";
    case EBUSY: return "The lock is held or in use.";
    case EDEADLK: return "The calling thread holds the lock already, or waiting would close a cycle.";
    case EAGAIN: return "The lock is held as often as a recursive lock can be.";
    case EPERM: return "The calling thread does not hold the lock, or the kernel refuses access to the file.";
    case EINTR: return "A signal handler ran during the wait.";
    case EINVAL:
      return "An argument is not valid, the path is no regular file, or there is nothing to declare consistent.";
    case ETIMEDOUT: return "The wait for the lock timed out.";
    case ENOTRECOVERABLE: return "The lock was poisoned: the data under it was given up for lost.";
    case EIDRM: return "The lock was removed: open it again.";
    case ENOLCK: return "The calling thread holds as many locks as the kernel would clean up after it.";
    case EBADMSG: return "This is not a lock.";
    case EPROTONOSUPPORT: return "The lock was made by another version of the library, or on another kind of machine.";
    case EXDEV: return "The lock belongs to another PID namespace or another boot, where it is in use.";
    case ENOSYS: return "The kernel, an emulator or a sandbox lacks what a robust lock needs.";
    case ESTALE: return "The lock was made in an earlier boot or in another PID namespace: initialise it again.";
    case ENOTSUP: return "The file system is one that other machines may share, or is not known to hold locks.";
    case ELOOP: return "The path is a symbolic link, which is not followed.";
    case EPROTOTYPE: return "The lock is of another kind, or has other attributes, than asked for.";
    case ENOENT: return "There is no such lock, or no such directory.";
    case EEXIST: return "The lock exists already.";
    case EACCES: return "Permission denied.";
    case ENOMEM: return "Out of memory, or of room for mappings.";
    case ENOSPC: return "No space left for the lock file.";
    default: break;
  }
  const char* const text = strerrordesc_np(code);
  return text != nullptr ? text : "Unknown error code.";
}

}  // namespace shmutex
