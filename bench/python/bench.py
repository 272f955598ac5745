#!/usr/bin/env python3
"""Measures shmutex.SharedMutex against Python's other locks, in one interleaved run, as ratios to threading.Lock.

    bench.py [--quick] [--json FILE]

Uncontended: nanoseconds per cycle of `with lock: pass`, acquire() + release(), and acquire(timeout=1) + release().
Contended: processes increment one shared counter under the lock; ratios to multiprocessing.Lock.
Peers that are not installed are left out. Exits with 1 if a count is wrong; a missed target is printed, not an error.
"""

import argparse
import ctypes
import fcntl
import json
import mmap
import multiprocessing
import os
import statistics
import struct
import sys
import tempfile
import threading
import time

import shmutex


class Flock:
    """fcntl.flock, as a lock."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

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

    name = "/" + os.path.basename(path)
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


# name, how to make it, what costs so much that fewer rounds do
LOCKS = [
    ("threading.Lock", lambda path: threading.Lock(), 1),
    ("shmutex.SharedMutex", lambda path: shmutex.SharedMutex(path), 1),
    ("shmutex, recursive", lambda path: shmutex.SharedMutex(path, recursive=True), 1),
    ("shmutex, fair", lambda path: shmutex.SharedMutex(path, fair=True), 1),
    ("threading.RLock", lambda path: threading.RLock(), 1),
    ("multiprocessing.Lock", lambda path: multiprocessing.Lock(), 1),
    ("multiprocessing.RLock", lambda path: multiprocessing.RLock(), 1),
    ("posix_ipc.Semaphore", posix_ipc_semaphore, 1),
    ("pthread by ctypes", CtypesMutex, 4),
    ("fcntl.flock", Flock, 10),
    ("portalocker", portalocker_lock, 100),
    ("filelock", filelock_lock, 100),
    ("fasteners", fasteners_lock, 100),
]


def with_lock(lock, rounds):
    for _ in range(rounds):
        with lock:
            pass


def acquire_release(lock, rounds):
    acquire, release = lock.acquire, lock.release
    for _ in range(rounds):
        acquire()
        release()


def acquire_timeout(lock, rounds):
    acquire, release = lock.acquire, lock.release
    for _ in range(rounds):
        acquire(timeout=1)
        release()


CASES = [
    ("with lock: pass", with_lock, 0.75),
    ("acquire() + release()", acquire_release, 0.65),
    ("acquire(timeout=1) + release()", acquire_timeout, 0.60),
]


def works(case, lock):
    try:
        case(lock, 1)
    except (TypeError, AttributeError):
        return False
    return True


def empty_loop(rounds):
    for _ in range(rounds):
        pass


def nanoseconds(function, *arguments):
    """Of the processor's time, since the machine may have other things to do."""
    start = time.thread_time_ns()
    function(*arguments)
    return time.thread_time_ns() - start


def uncontended(locks, repeats, rounds):
    """{case: {lock: [ns per cycle, …]}}; in each repeat every lock once, so that the machine's moods hit all alike."""
    results = {}
    loop = min(nanoseconds(empty_loop, rounds) for _ in range(20)) / rounds
    for title, case, _ in CASES:
        times = {name: [] for name, lock, _ in locks if works(case, lock)}
        for _ in range(repeats):
            for name, lock, cost in locks:
                if name in times:
                    few = max(rounds // cost, 10)
                    times[name].append(nanoseconds(case, lock, few) / few - loop)
        results[title] = times
    return results


def count_up(lock, memory, start, rounds):
    start.wait()
    for _ in range(rounds):
        with lock:
            (value,) = struct.unpack_from("q", memory)
            struct.pack_into("q", memory, 0, value + 1)


def contended_once(lock, processes, rounds):
    """Increments per second."""
    context = multiprocessing.get_context("fork")
    memory = mmap.mmap(-1, 8)
    start = context.Barrier(processes + 1)
    workers = [context.Process(target=count_up, args=(lock, memory, start, rounds)) for _ in range(processes)]
    for worker in workers:
        worker.start()
    start.wait()
    begin = time.perf_counter()
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - begin
    if struct.unpack_from("q", memory) != (processes * rounds,):
        sys.exit(f"{lock!r} lost updates")
    return processes * rounds / seconds


CONTENDED = [
    "multiprocessing.Lock",
    "shmutex.SharedMutex",
    "shmutex, fair",
    "multiprocessing.RLock",
    "posix_ipc.Semaphore",
]


def contended(locks, repeats, rounds):
    results = {}
    chosen = [(name, lock) for name, lock, _ in locks if name in CONTENDED]
    for processes in (2, 4):
        rates = {name: [] for name, _ in chosen}
        for _ in range(repeats):
            for name, lock in chosen:
                few = rounds // 4 if "fair" in name else rounds
                rates[name].append(contended_once(lock, processes, few // processes))
        results[f"{processes} processes"] = rates
    return results


def verdict(ratio, target, at_most=True):
    reached = ratio <= target if at_most else ratio >= target
    return f"target {'≤' if at_most else '≥'} {target:.2f}: {'reached' if reached else 'MISSED'}"


def median_ratio(values, base):
    """The median over the repeats of the ratio within each."""
    return statistics.median(each / other for each, other in zip(values, base))


def spread(values):
    return f"{min(values):9.1f} … {max(values):9.1f}"


def report_uncontended(results):
    for title, _, target in CASES:
        times = results[title]
        base = times["threading.Lock"]
        print(f"\n{title:32}  median ns   fastest … slowest        of threading.Lock")
        for name, values in times.items():
            ratio = median_ratio(values, base)
            line = f"  {name:30} {statistics.median(values):10.1f}   {spread(values)}   {ratio:8.2f}"
            if name == "shmutex.SharedMutex":
                line += "   " + verdict(ratio, target)
                if "multiprocessing.Lock" in times:
                    peer = median_ratio(values, times["multiprocessing.Lock"])
                    line += f"; of multiprocessing.Lock {peer:.2f}, " + verdict(peer, 1.0)
            print(line)


def report_contended(results):
    for title, rates in results.items():
        base = rates["multiprocessing.Lock"]
        print(f"\ncontended, {title:20}  median 1000/s   slowest … fastest    of multiprocessing.Lock")
        for name, values in rates.items():
            ratio = median_ratio(values, base)
            thousands = [each / 1000 for each in values]
            line = f"  {name:30} {statistics.median(thousands):10.1f}   {spread(thousands)}   {ratio:8.2f}"
            if name == "shmutex.SharedMutex":
                line += "   " + verdict(ratio, 1.5, at_most=False)
            print(line)


def make_locks(directory):
    made, missing = [], []
    for number, (name, make, cost) in enumerate(LOCKS):
        try:
            made.append((name, make(os.path.join(directory, f"{number}.lock")), cost))
        except ImportError:
            missing.append(name)
    return made, missing


def main():
    parser = argparse.ArgumentParser(description="Locks for Python, measured in one interleaved run")
    parser.add_argument("--quick", action="store_true", help="a short run, of less precision")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    options = parser.parse_args()
    repeats, rounds, contended_repeats, contended_rounds = (
        (15, 10_000, 3, 20_000) if options.quick else (101, 20_000, 9, 100_000)
    )
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        locks, missing = make_locks(directory)
        print(f"Python {sys.version.split()[0]}, shmutex {shmutex.__version__}, {os.cpu_count()} CPUs")
        if missing:
            print("not installed:", ", ".join(missing))
        alone = uncontended(locks, repeats, rounds)
        report_uncontended(alone)
        together = contended(locks, contended_repeats, contended_rounds)
        report_contended(together)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(
                {"python": sys.version, "uncontended_ns": alone, "contended_per_second": together}, file, indent=1
            )


if __name__ == "__main__":
    main()
