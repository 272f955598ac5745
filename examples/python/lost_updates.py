"""The race condition that every tutorial begins with: without a lock updates get lost, with one none does."""

import mmap
import multiprocessing
import os
import struct
import tempfile

import shmutex

PROCESSES, ROUNDS = 4, 20_000


def increment(memory):
    (value,) = struct.unpack_from("q", memory)
    struct.pack_into("q", memory, 0, value + 1)  # another process may have written meanwhile


def without_lock(memory, mutex):
    for _ in range(ROUNDS):
        increment(memory)


def with_lock(memory, mutex):
    for _ in range(ROUNDS):
        with mutex:
            increment(memory)


def run(work, memory, mutex):
    struct.pack_into("q", memory, 0, 0)
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=work, args=(memory, mutex)) for _ in range(PROCESSES)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return struct.unpack_from("q", memory)[0]


with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
    shared = mmap.mmap(-1, 8)
    lock = shmutex.SharedMutex(os.path.join(directory, "counter.lock"))
    expected = PROCESSES * ROUNDS
    print(f"{PROCESSES} processes add {ROUNDS} each: {expected} expected")
    print("without a lock:", run(without_lock, shared, lock))
    found = run(with_lock, shared, lock)
    print("with SharedMutex:", found)
    assert found == expected
print("OK: no update was lost")
