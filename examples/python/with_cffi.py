"""The C library by cffi, which reads the installed headers once comments and preprocessor lines are stripped."""

import os
import pathlib
import re
import tempfile

import cffi

prefix = pathlib.Path(os.environ.get("SHMUTEX_PREFIX", "/usr"))
include = prefix / "include"
parts = re.findall(r"^#include <(.*)>", (include / "shmutex/shmutex.h").read_text(), flags=re.M)
headers = "".join((include / part).read_text() for part in parts)
declarations = re.sub(r"/\*.*?\*/|^#.*?$", "", headers, flags=re.S | re.M)
ffi = cffi.FFI()
ffi.cdef(declarations)
c = ffi.dlopen(str(next(prefix.glob("lib/**/libshmutex.so.1"), "libshmutex.so.1")))


def check(code):
    if code != 0:
        raise OSError(code, ffi.string(c.shmutex_error_detail()).decode())


with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
    out = ffi.new("shmutex_t **")
    check(c.shmutex_open(out, os.path.join(directory, "c.lock").encode(), c.SHMUTEX_RECURSIVE, 0o600))
    mutex = out[0]
    check(c.shmutex_lock(mutex))
    check(c.shmutex_acquire(mutex, 1_000_000_000, c.SHMUTEX_INTERRUPTIBLE))
    info = ffi.new("shmutex_info_t *", {"size": ffi.sizeof("shmutex_info_t")})
    check(c.shmutex_info(mutex, info))
    print("held by thread", info.owner_tid, "of process", info.owner_pid, "- depth", info.depth)
    assert info.depth == 2 and info.owner_pid == os.getpid()
    check(c.shmutex_unlock(mutex))
    check(c.shmutex_unlock(mutex))
    check(c.shmutex_close(mutex))
print("OK: cffi")
