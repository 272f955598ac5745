"""100,000 times everything, and nothing is left over: descriptors, mappings, references, memory."""

import gc
import logging
import os
import signal
import sys

import pytest

import shmutex
from processes import HOLD, die_holding
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
    repeat(lambda: SharedMutex(path, recover=recover), CYCLES, path, recover, SharedMutex)


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
def test_death(path):
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


def catch(kind, function, *arguments):
    try:
        function(*arguments)
    except kind:
        return
    raise AssertionError("it did not fail")


def test_owner_died_raised(path):
    """It stays marked, so that each acquisition is told."""
    mutex = SharedMutex(path)
    die_holding(path)

    def meet():
        catch(shmutex.OwnerDiedError, mutex.acquire)
        catch(shmutex.OwnerDiedError, mutex.__enter__)

    repeat(meet, CYCLES // 20, path, mutex, shmutex.OwnerDiedError)


def test_keyboard_interrupt_out_of_a_wait(path, spawn):
    mutex = SharedMutex(path)
    holder = spawn(HOLD, path).expect("held")
    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)

    def wait():
        signal.setitimer(signal.ITIMER_REAL, 0.0005)
        mutex.acquire()

    def interrupt():
        catch(KeyboardInterrupt, wait)

    try:
        repeat(interrupt, CYCLES // 50, path, mutex)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    holder.kill()


def test_refused_close(path):
    mutex = SharedMutex(path)
    with mutex:
        repeat(lambda: catch(shmutex.MutexError, mutex.close), CYCLES // 20, path, mutex)


def test_release_save_and_restore(path):
    mutex = SharedMutex(path, recursive=True)

    def save_and_restore():
        for _ in range(3):
            mutex.acquire()
        depth = mutex._release_save()
        mutex._acquire_restore(depth)
        mutex._release_save()

    repeat(save_and_restore, CYCLES // 5, path, mutex)


def test_unlink(path):
    def create_and_remove():
        SharedMutex(path).unlink()
        mutex = SharedMutex(path)
        shmutex.unlink(path)
        catch(shmutex.RemovedError, mutex.acquire)
        catch(shmutex.RemovedError, mutex.unlink)

    repeat(create_and_remove, CYCLES // 20, path, SharedMutex)


class Sub(SharedMutex):
    pass


class Slotted(SharedMutex):
    __slots__ = ("extra",)


@pytest.mark.parametrize("cls", [Sub, Slotted])
def test_instances_of_subclasses(path, cls):
    keep = SharedMutex(path)

    def use():
        mutex = cls(path, recover=recover)
        mutex.extra = [mutex]  # a cycle
        with mutex:
            pass
        mutex.close()

    repeat(use, CYCLES // 5, path, recover, cls, SharedMutex)
    assert not keep.closed


def test_second_openings(path):
    mutex = SharedMutex(path)
    repeat(lambda: catch(RuntimeError, mutex.__init__, path), CYCLES // 5, path, mutex)
