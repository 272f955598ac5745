#include "object/mapping.h"

#include <errno.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "base/annotate.h"
#include "error/failure.h"
#include "object/kind.h"
#include "object/take_over.h"
#include "os/thread.h"
#include "process/process.h"
#include "process/process_lock.h"

namespace shmutex {
namespace {

using file::Descriptor;
using file::OfdLock;

constexpr off_t scratch_bytes = off_t{1} << 40;

// Whether a mapping keeps its file description, and so the live-user lock, when the descriptor is closed. Not on
// overlayfs, which maps the file below. Found out once for each type of file system; as long as it is not known, no.
enum class MappingKeepsLock : uint8_t { unknown, yes, no };

struct KnownFileSystem {
  int64_t type;
  MappingKeepsLock keeps;
};
KnownFileSystem known_file_systems[16];  // one for each of the supported types; guarded by the ProcessLock

MappingKeepsLock mapping_keeps_lock(int64_t type) {
  const ProcessLock guard;
  for (const KnownFileSystem& known : known_file_systems) {
    if (known.type == type) return known.keeps;
  }
  return MappingKeepsLock::unknown;
}

void remember(int64_t type, MappingKeepsLock keeps) {
  const ProcessLock guard;
  for (KnownFileSystem& known : known_file_systems) {
    if (known.type != type && known.type != 0) continue;
    known = {type, keeps};
    return;
  }
}

// The position of a descriptor that is kept; known to no other open file.
off_t mark_of(const Object& object) {
  constexpr off_t beyond_any_use = off_t{1} << 32;
  return beyond_any_use | static_cast<off_t>(reinterpret_cast<uintptr_t>(control_of(object).base) >> 12 & 0x7fff'ffff);
}

bool owns_kept_descriptor(const Object& object) {
  const FileControl& control = control_of(object);
  return file::is_marked(control.kept_descriptor, mark_of(object), control.device, control.inode);
}

size_t mapping_size(const Kind& kind) { return 2 * file_size_of(kind); }

// The file is mapped through `fd`. Closes it and returns -1 where the mapping keeps the users' lock; else a descriptor
// to keep.
int descriptor_to_keep(Descriptor& fd, const char* path, int64_t file_system) {
  const MappingKeepsLock known = mapping_keeps_lock(file_system);
  if (known == MappingKeepsLock::no) return fd.release();
  if (known == MappingKeepsLock::yes) {
    fd.reset();
    return -1;
  }
  const off_t scratch = scratch_bytes + static_cast<off_t>(this_thread().thread_uid & 0x7fff'ffff'ffff);
  Descriptor second;
  struct stat a {};
  struct stat b {};
  OfdLock seen = OfdLock::none;
  if (file::open_existing(path, true, second) != 0 || file::status(fd.get(), a) != 0 ||
      file::status(second.get(), b) != 0 || !file::is_same(a, b) ||
      file::ofd_lock(second.get(), 0, OfdLock::shared) != 0 ||
      file::ofd_lock(fd.get(), scratch, OfdLock::shared) != 0) {
    return fd.release();
  }
  fd.reset();
  const bool kept = file::query_ofd_lock(second.get(), scratch, seen) == 0 && seen == OfdLock::shared;
  remember(file_system, kept ? MappingKeepsLock::yes : MappingKeepsLock::no);
  return kept ? -1 : second.release();
}

}  // namespace

size_t page_size() {
  static const size_t size = getauxval(AT_PAGESZ);
  return size;
}

size_t file_size_of(const Kind& kind) { return kind.understood.pages * page_size(); }

Object* map_file(int fd, const Kind& kind) {
  const size_t page = page_size();
  void* const base = mmap(nullptr, mapping_size(kind), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) return nullptr;
  char* const begin = static_cast<char*>(base);
  for (size_t i = 0; i < kind.understood.pages; ++i) {
    const auto offset = static_cast<off_t>(i * page);
    if (mmap(begin + 2 * i * page, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, offset) != MAP_FAILED)
      continue;
    munmap(base, mapping_size(kind));
    return nullptr;
  }
  annotate::untrack(base, mapping_size(kind));
  Object& object = *reinterpret_cast<Object*>(begin + page - line_size);
  registry::forget_unmapped_memory(&object);
  control_of(object).kind = &kind;
  control_of(object).base = base;
  control_of(object).kept_descriptor = -1;
  return &object;
}

void unmap(Object& object) {
  const FileControl& control = control_of(object);
  const bool keeps = control.kept_descriptor >= 0 && owns_kept_descriptor(object);
  const Descriptor kept(keeps ? control.kept_descriptor : -1);
  munmap(control.base, mapping_size(*control.kind));
}

// Overlayfs maps the file below and needs no try, which a child that is forked meanwhile could mislead.
void keep_users_lock(Object& object, Descriptor& fd, const char* path, int64_t file_system) {
  int& kept = control_of(object).kept_descriptor;
  kept = file_system == file::overlayfs ? fd.release() : descriptor_to_keep(fd, path, file_system);
  if (kept >= 0) file::mark(kept, mark_of(object));
}

bool has_users_lock(const Object& object) {
  return likely(control_of(object).kept_descriptor < 0) || owns_kept_descriptor(object);
}

int take_users_lock_again(Object& object, Descriptor& fd) {
  FileControl& control = control_of(object);
  struct stat found {};
  int error = file::status(fd.get(), found);
  if (error == 0 && (found.st_dev != control.device || found.st_ino != control.inode)) error = -ENOENT;
  if (error == 0) error = file::ofd_lock(fd.get(), users_byte, OfdLock::shared);
  if (error != 0) return fail(EBADF, Reason::users_lock_lost, control.path, static_cast<uint64_t>(-error));
  const Header header = header_of(object);
  if (header.validity != validity::valid || !same_tid_scope(tid_scope_of(header), our_tid_scope())) {
    file::ofd_lock(fd.get(), users_byte, OfdLock::none);
    return fail(EXDEV, Reason::taken_over_meanwhile, control.path);
  }
  const ProcessLock guard;
  if (owns_kept_descriptor(object)) return 0;  // another thread was faster
  control.kept_descriptor = fd.release();
  file::mark(control.kept_descriptor, mark_of(object));
  return 0;
}

int ensure_users_lock(Object& object) {
  if (is_in_memory(object) || has_users_lock(object)) return 0;
  const char* const path = control_of(object).path;
  Descriptor fd;
  if (const int error = file::open_existing(path, true, fd); error != 0) {
    return fail(EBADF, Reason::users_lock_lost, path, static_cast<uint64_t>(-error));
  }
  return take_users_lock_again(object, fd);
}

}  // namespace shmutex
