"""The C library by ctypes, without the extension module: the system's, or the one installed under SHMUTEX_PREFIX.

ctypes reads no headers, so the types of functions are said here; the constants are read from the installed header.
"""

import ctypes
import errno
import os
import pathlib
import re
import tempfile

prefix = pathlib.Path(os.environ.get("SHMUTEX_PREFIX", "/usr"))
c = ctypes.CDLL(str(next(prefix.glob("lib/**/libshmutex.so.1"), "libshmutex.so.1")))
header = re.sub(r"/\*.*?\*/", "", (prefix / "include/shmutex/mutex.h").read_text(), flags=re.S)
constants = {name: int(value, 0) for name, value in re.findall(r"SHMUTEX_(\w+) = (\w+)", header)}
c.shmutex_open.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_char_p, ctypes.c_uint, ctypes.c_uint]
c.shmutex_acquire.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint]
for function in (c.shmutex_lock, c.shmutex_unlock, c.shmutex_consistent, c.shmutex_close):
    function.argtypes = [ctypes.c_void_p]
c.shmutex_error_detail.restype = ctypes.c_char_p


def check(code):
    if code != 0:
        raise OSError(code, c.shmutex_error_detail().decode())


with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
    mutex = ctypes.c_void_p()
    path = os.path.join(directory, "c.lock").encode()
    check(c.shmutex_open(ctypes.byref(mutex), path, constants["RECURSIVE"] | constants["MUST_CREATE"], 0o600))
    if os.fork() == 0:
        check(c.shmutex_lock(mutex))
        os._exit(0)  # dies inside
    os.wait()
    # ctypes lets other threads run meanwhile.
    code = c.shmutex_acquire(mutex, 1_000_000_000, constants["INTERRUPTIBLE"])
    assert code == errno.EOWNERDEAD
    print("told:", c.shmutex_error_detail().decode())
    check(c.shmutex_consistent(mutex))
    check(c.shmutex_lock(mutex))  # again, as it is recursive
    check(c.shmutex_unlock(mutex))
    check(c.shmutex_unlock(mutex))
    try:
        check(c.shmutex_unlock(mutex))
    except OSError as error:
        print(error)
    check(c.shmutex_close(mutex))
print("OK: ctypes")
