"""The locks that are measured: ours, Python's own, and those of other packages."""

import contextlib
import ctypes
import fcntl
import importlib.metadata
import mmap
import multiprocessing
import os
import threading

import shmutex


class Flock:
    """fcntl.flock, as a lock."""

    def __init__(self, path):
        self.path = path
        self.reopen()

    def reopen(self):
        """In a forked child: what it inherited, its parent's lock holds too."""
        self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)

    def acquire(self):
        fcntl.flock(self.fd, fcntl.LOCK_EX)
        return True

    def release(self):
        fcntl.flock(self.fd, fcntl.LOCK_UN)

    def __enter__(self):
        fcntl.flock(self.fd, fcntl.LOCK_EX)

    def __exit__(self, *_):
        fcntl.flock(self.fd, fcntl.LOCK_UN)


class CtypesMutex:
    """A robust pthread mutex in a mapped file, called through ctypes: what pymutex does."""

    def __init__(self, path):
        self.c = ctypes.CDLL(None, use_errno=True)
        with open(path, "w+b") as file:
            file.truncate(4096)
            self.memory = mmap.mmap(file.fileno(), 4096)
        self.at = ctypes.byref(ctypes.c_char.from_buffer(self.memory))
        attributes = ctypes.create_string_buffer(64)
        self.c.pthread_mutexattr_init(attributes)
        self.c.pthread_mutexattr_setpshared(attributes, 1)
        self.c.pthread_mutexattr_setrobust(attributes, 1)
        self.c.pthread_mutex_init(self.at, attributes)

    def acquire(self):
        if self.c.pthread_mutex_trylock(self.at) != 0:
            self.c.pthread_mutex_lock(self.at)
        return True

    def release(self):
        self.c.pthread_mutex_unlock(self.at)

    def __enter__(self):
        return self.acquire()

    def __exit__(self, *_):
        self.release()


def posix_ipc_semaphore(path):
    import posix_ipc

    name = f"/shmutex-bench-{os.getpid()}"
    semaphore = posix_ipc.Semaphore(name, posix_ipc.O_CREX, initial_value=1)
    semaphore.unlink()
    return semaphore


def filelock_lock(path):
    import filelock

    return filelock.FileLock(path)


def portalocker_lock(path):
    import portalocker

    return portalocker.Lock(path)


def fasteners_lock(path):
    import fasteners

    return fasteners.InterProcessLock(path)


# name, how to make it, how many times fewer rounds do since it costs so much, whether it is measured contended
LOCKS = [
    ("threading.Lock", lambda path: threading.Lock(), 1, False),
    ("shmutex.SharedMutex", lambda path: shmutex.SharedMutex(path), 1, True),
    ("shmutex, recursive", lambda path: shmutex.SharedMutex(path, recursive=True), 1, False),
    ("shmutex, fair", lambda path: shmutex.SharedMutex(path, fair=True), 1, True),
    ("threading.RLock", lambda path: threading.RLock(), 1, False),
    ("multiprocessing.Lock", lambda path: multiprocessing.Lock(), 1, True),
    ("multiprocessing.RLock", lambda path: multiprocessing.RLock(), 1, True),
    ("posix_ipc.Semaphore", posix_ipc_semaphore, 1, True),
    ("pymutex-style ctypes", CtypesMutex, 4, True),
    ("fcntl.flock", Flock, 10, True),
    ("portalocker", portalocker_lock, 100, False),
    ("filelock", filelock_lock, 100, False),
    ("fasteners", fasteners_lock, 100, False),
]


def make_all(directory):
    """[(name, lock, cost, contended)], and the names of those that are not installed."""
    made, missing = [], []
    for number, (name, make, cost, contended) in enumerate(LOCKS):
        try:
            made.append((name, make(os.path.join(directory, f"{number}.lock")), cost, contended))
        except ImportError:
            missing.append(name)
    return made, missing


def versions():
    """{package: version} of those that are packages of their own."""
    found = {}
    for package in ("posix_ipc", "portalocker", "filelock", "fasteners"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found
