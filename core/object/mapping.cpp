#include "object/mapping.h"

#include <sys/auxv.h>
#include <sys/mman.h>

#include "base/annotate.h"
#include "object/kind.h"
#include "os/thread.h"
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

size_t mapping_size(const Kind& kind) { return 2 * file_size_of(kind); }

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
  for (uint32_t i = 0; i < kind.understood.pages; ++i) {
    const auto offset = static_cast<off_t>(i * page);
    if (mmap(begin + 2 * i * page, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, offset) != MAP_FAILED)
      continue;
    munmap(base, mapping_size(kind));
    return nullptr;
  }
  annotate::untrack(base, mapping_size(kind));
  Object& object = *reinterpret_cast<Object*>(begin + page - line_size);
  control_of(object).kind = &kind;
  control_of(object).base = base;
  control_of(object).kept_descriptor = -1;
  return &object;
}

void unmap(Object& object) {
  const FileControl& control = control_of(object);
  const Descriptor kept(control.kept_descriptor);
  munmap(control.base, mapping_size(*control.kind));
}

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

}  // namespace shmutex
