// Which system calls the library makes for anything but locking itself.
#pragma once

#include <sys/syscall.h>

#include <vector>

// But close and munmap: those do what they are asked for.
inline const std::vector<int> file_calls = {
    SYS_openat,          SYS_fstat,     SYS_newfstatat, SYS_statfs,    SYS_fstatfs,         SYS_pread64,
    SYS_pwrite64,        SYS_fallocate, SYS_ftruncate,  SYS_fchmod,    SYS_fdatasync,       SYS_fcntl,
    SYS_linkat,          SYS_unlinkat,  SYS_mmap,       SYS_getcwd,    SYS_readlinkat,      SYS_read,
    SYS_madvise,         SYS_tgkill,    SYS_kill,       SYS_getppid,   SYS_get_robust_list, SYS_set_robust_list,
    SYS_clock_nanosleep, SYS_prlimit64, SYS_lseek,      SYS_utimensat, SYS_statx,           SYS_faccessat2,
    SYS_pidfd_open};
