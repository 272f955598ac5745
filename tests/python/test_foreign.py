"""The C library, called directly by ctypes and by cffi, from its installed header; on one lock with this module."""

import ctypes
import errno
import re

import pytest

from processes import die_holding
from shmutex import SharedMutex


def declarations(installed):
    """What the parts of shmutex.h declare, in its order, without comments and preprocessor lines."""
    include = next(installed.glob("include"))
    parts = re.findall(r"^#include <(shmutex/\w+\.h)>", (include / "shmutex/shmutex.h").read_text(), flags=re.M)
    text = re.sub(r"/\*.*?\*/", "", "".join((include / part).read_text() for part in parts), flags=re.S)
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))


def constants(text):
    """The header's enumerations, for ctypes, which cannot read them."""
    return {name: int(value, 0) for name, value in re.findall(r"(SHMUTEX_\w+) = (\w+)", text)}


@pytest.fixture
def c(installed):
    library = ctypes.CDLL(str(next(installed.glob("lib/**/libshmutex.so"))))
    library.shmutex_open.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_char_p, ctypes.c_uint, ctypes.c_uint]
    for name in ("lock", "trylock", "unlock", "close", "consistent"):
        getattr(library, "shmutex_" + name).argtypes = [ctypes.c_void_p]
    library.shmutex_timedlock.argtypes = [ctypes.c_void_p, ctypes.c_int64]
    library.shmutex_token.argtypes = [ctypes.c_void_p]
    library.shmutex_token.restype = ctypes.c_uint64
    library.shmutex_strerror.restype = ctypes.c_char_p
    library.shmutex_error_detail.restype = ctypes.c_char_p
    library.constants = constants(declarations(installed))
    return library


def test_ctypes(c, path):
    handle = ctypes.c_void_p()
    assert c.shmutex_open(ctypes.byref(handle), path.encode(), c.constants["SHMUTEX_MUST_CREATE"], 0) == 0
    mutex = SharedMutex(path)
    before = mutex.token
    assert c.shmutex_lock(handle) == 0
    assert mutex.locked() and c.shmutex_token(handle) == before + 1
    assert c.shmutex_trylock(handle) == errno.EBUSY and c.shmutex_lock(handle) == errno.EDEADLK
    assert path in c.shmutex_error_detail().decode()
    assert c.shmutex_unlock(handle) == 0
    assert c.shmutex_unlock(handle) == errno.EPERM
    die_holding(path)
    assert c.shmutex_timedlock(handle, 0) == errno.EOWNERDEAD
    assert c.shmutex_consistent(handle) == 0 and c.shmutex_unlock(handle) == 0
    with mutex:
        pass
    assert c.shmutex_close(handle) == 0


def test_cffi(installed, path):
    cffi = pytest.importorskip("cffi")
    ffi = cffi.FFI()
    ffi.cdef(declarations(installed))
    c = ffi.dlopen(str(next(installed.glob("lib/**/libshmutex.so"))))
    out = ffi.new("shmutex_t **")
    assert c.shmutex_open(out, path.encode(), c.SHMUTEX_RECURSIVE, 0) == 0
    mutex = SharedMutex(path, recursive=True)
    handle = out[0]
    assert c.shmutex_lock(handle) == 0 and c.shmutex_lock(handle) == 0
    info = ffi.new("shmutex_info_t *")
    info.size = ffi.sizeof("shmutex_info_t")
    assert c.shmutex_info(handle, info) == 0
    assert info.state == c.SHMUTEX_STATE_HELD and info.depth == 2 == mutex.depth
    assert c.shmutex_unlock(handle) == 0 and c.shmutex_unlock(handle) == 0
    die_holding(path, recursive=True)
    assert c.shmutex_acquire(handle, -1, c.SHMUTEX_INTERRUPTIBLE) == errno.EOWNERDEAD
    assert c.shmutex_poison(handle) == 0 and c.shmutex_unlock(handle) == 0
    assert c.shmutex_lock(handle) == errno.ENOTRECOVERABLE
    assert ffi.string(c.shmutex_strerror(errno.ENOTRECOVERABLE))
    assert c.shmutex_close(handle) == 0
    mutex.unlink()
