"""100,000 times everything, and nothing is left over: descriptors, mappings, references, memory."""

import gc
import logging
import os
import sys

import pytest

import shmutex
from processes import HOLD
from shmutex import SharedMutex

CYCLES = 100_000


def recover(mutex):
    pass


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def mappings():
    with open("/proc/self/maps") as file:
        return len(file.readlines())


class Ledger:
    """What a test must not leave behind."""

    def __init__(self, *objects):
        gc.collect()
        self.objects = objects
        self.descriptors = len(os.listdir("/proc/self/fd"))
        self.mappings = mappings()
        self.references = [sys.getrefcount(each) for each in objects]
        self.blocks = sys.getallocatedblocks()
        self.resident = resident()

    def check(self, count):
        gc.collect()
        few = count // 10  # what the interpreter itself keeps for a while; a leak shows up `count` times
        assert len(os.listdir("/proc/self/fd")) == self.descriptors
        assert abs(mappings() - self.mappings) <= 3  # the allocator's own
        for each, before in zip(self.objects, self.references):
            assert abs(sys.getrefcount(each) - before) < few, each
        assert sys.getallocatedblocks() - self.blocks < few + 1000
        assert resident() - self.resident < CYCLES * 32


@pytest.fixture(autouse=True)
def quiet():
    logging.getLogger("shmutex").setLevel(logging.CRITICAL)  # pytest keeps all records


def repeat(function, count, *objects):
    for _ in range(200):
        function()
    ledger = Ledger(*objects)
    for _ in range(count):
        function()
    ledger.check(count)


def test_open_and_close(path):
    keep = SharedMutex(path, recover=recover)
    repeat(lambda: SharedMutex(path, recover=recover).close(), CYCLES, path, recover, SharedMutex)
    with keep:
        pass


def test_open_and_collect(path):
    repeat(lambda: SharedMutex(path, recover=recover), CYCLES // 10, path, recover, SharedMutex)


def test_acquire_and_release(path):
    mutex = SharedMutex(path, recursive=True)

    def use():
        with mutex:
            mutex.acquire(timeout=1)
            mutex.lock(blocking=True, timeout=None)
            mutex.unlock()
            mutex.release()

    repeat(use, CYCLES, path, mutex, True, None, SharedMutex)


def test_looking(path):
    mutex = SharedMutex(path)

    def look():
        mutex.info(), mutex.owner, mutex.owned, mutex.token, mutex.depth, mutex.path, mutex.closed, mutex.locked()
        repr(mutex), shmutex.inspect(path)

    repeat(look, CYCLES // 20, path, mutex, SharedMutex, shmutex.Info)


def test_failing(path, spawn):
    mutex = SharedMutex(path)
    holder = spawn(HOLD, path).expect("held")

    def fail():
        assert not mutex.acquire(False) and not mutex.acquire(timeout=0)
        for call in (
            mutex.release,
            mutex.consistent,
            mutex.unlink,
            lambda: mutex.acquire(timeout=-5),
            lambda: mutex.acquire(colour=1),
            lambda: SharedMutex(path, recursive=True),
            lambda: SharedMutex(path, exist=False),
            lambda: SharedMutex(path + "x", exist=True),
            lambda: SharedMutex(path, recover=5),
            lambda: SharedMutex.from_buffer(bytearray(10)),
            lambda: shmutex.unlink(path),
            lambda: shmutex.inspect("/"),
        ):
            try:
                call()
            except (OSError, ValueError, TypeError):
                continue
            raise AssertionError("it did not fail")

    repeat(fail, CYCLES // 50, path, mutex, SharedMutex)
    holder.kill()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of fork beside other threads; pytest would keep each
def test_death(path, spawn):
    """A forked child dies inside, again and again."""
    mutex = SharedMutex(path, recover=recover)

    def die():
        child = os.fork()
        if child == 0:
            mutex.acquire()
            os._exit(0)
        os.waitpid(child, 0)
        with mutex:
            pass

    repeat(die, 300, path, mutex, recover)


def test_buffers():
    import mmap

    memory = mmap.mmap(-1, 4096)
    repeat(lambda: SharedMutex.from_buffer(memory, recover=recover).close(), CYCLES, memory, recover, SharedMutex)
    memory.close()


def test_pickles(path):
    import pickle

    mutex = SharedMutex(path, recover=recover)
    repeat(lambda: pickle.loads(pickle.dumps(mutex)), CYCLES // 20, path, recover, SharedMutex)
