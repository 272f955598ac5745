"""The C library by ctypes, without the extension module: the system's, or the one installed under SHMUTEX_PREFIX."""

import ctypes
import ctypes.util
import errno
import os
import pathlib
import tempfile

prefix = os.environ.get("SHMUTEX_PREFIX")
name = next(pathlib.Path(prefix).glob("lib/**/libshmutex.so.1")) if prefix else "libshmutex.so.1"
c = ctypes.CDLL(str(name))
c.shmutex_open.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_char_p, ctypes.c_uint, ctypes.c_uint]
c.shmutex_timedlock.argtypes = [ctypes.c_void_p, ctypes.c_int64]
for function in (c.shmutex_lock, c.shmutex_unlock, c.shmutex_consistent, c.shmutex_close):
    function.argtypes = [ctypes.c_void_p]
c.shmutex_error_detail.restype = ctypes.c_char_p


def check(code):
    if code != 0:
        raise OSError(code, c.shmutex_error_detail().decode())


with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
    mutex = ctypes.c_void_p()
    check(c.shmutex_open(ctypes.byref(mutex), os.path.join(directory, "c.lock").encode(), 0, 0))
    if os.fork() == 0:
        check(c.shmutex_lock(mutex))
        os._exit(0)  # dies inside
    os.wait()
    code = c.shmutex_timedlock(mutex, 1_000_000_000)  # ctypes lets other threads run meanwhile
    assert code == errno.EOWNERDEAD
    print("told:", c.shmutex_error_detail().decode())
    check(c.shmutex_consistent(mutex))
    check(c.shmutex_unlock(mutex))
    try:
        check(c.shmutex_unlock(mutex))
    except OSError as error:
        print(error)
    check(c.shmutex_close(mutex))
print("OK: ctypes")
