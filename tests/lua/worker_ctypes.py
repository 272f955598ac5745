"""The same as worker.c, through ctypes on the C library: worker_ctypes.py LIBRARY LOCK NUMBERS increment COUNT | die."""

import ctypes
import errno
import os
import signal
import sys

library = ctypes.CDLL(sys.argv[1])
library.shmutex_open.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_char_p, ctypes.c_uint, ctypes.c_uint]
for name in ("lock", "unlock", "consistent", "close"):
    getattr(library, "shmutex_" + name).argtypes = [ctypes.c_void_p]
library.shmutex_error_detail.restype = ctypes.c_char_p

LOCK, NUMBERS, ACTION = sys.argv[2:5]
DIES = ACTION == "die"


def check(code):
    if code:
        sys.exit(library.shmutex_error_detail().decode())


def write_number(file, which, value):
    os.pwrite(file, b"%020d\n" % value, which * 21)


def read_number(file, which):
    return int(os.pread(file, 20, which * 21))


mutex = ctypes.c_void_p()
check(library.shmutex_open(ctypes.byref(mutex), LOCK.encode(), 0, 0))
numbers = os.open(NUMBERS, os.O_RDWR)
for _ in range(1 if DIES else int(sys.argv[5])):
    result = library.shmutex_lock(mutex)
    if result == errno.EOWNERDEAD:
        write_number(numbers, 0, read_number(numbers, 1))
        check(library.shmutex_consistent(mutex))
    else:
        check(result)
    value = read_number(numbers, 0)
    assert value == read_number(numbers, 1), "half changed"
    write_number(numbers, 0, value + 1)
    if DIES:
        os.kill(os.getpid(), signal.SIGKILL)
    write_number(numbers, 1, value + 1)
    check(library.shmutex_unlock(mutex))
check(library.shmutex_close(mutex))
