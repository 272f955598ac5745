"""Several processes on one lock: fork, spawn, forkserver; what a forked child may do."""

import mmap
import multiprocessing
import os
import struct
import threading

import pytest

import shmutex
from processes import poll
from shmutex import SharedMutex

METHODS = pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
KINDS = pytest.mark.parametrize("kind", [{}, {"fair": True}, {"recursive": True}], ids=["plain", "fair", "recursive"])


def add(mutex, counter, count):
    """Read, and write one more: loses updates without a lock."""
    with open(counter, "r+b") as file, mmap.mmap(file.fileno(), 8) as memory:
        for _ in range(count):
            with mutex:
                (value,) = struct.unpack_from("q", memory)
                struct.pack_into("q", memory, 0, value + 1)


@METHODS
@KINDS
def test_no_update_is_lost(path, tmp_path, method, kind):
    counter = tmp_path / "counter"
    counter.write_bytes(bytes(8))
    context = multiprocessing.get_context(method)
    mutex = SharedMutex(path, **kind)
    workers = [context.Process(target=add, args=(mutex, str(counter), 3000)) for _ in range(3)]
    for worker in workers:
        worker.start()
    add(mutex, str(counter), 3000)
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert struct.unpack("q", counter.read_bytes()) == (12000,)


def die(mutex):
    mutex.acquire()
    os.kill(os.getpid(), 9)


@METHODS
def test_a_worker_is_killed(path, method):
    mutex = SharedMutex(path, recover=shmutex.ACCEPT)
    worker = multiprocessing.get_context(method).Process(target=die, args=(mutex,))
    worker.start()
    worker.join()
    assert worker.exitcode == -9 and mutex.info().state == "owner-died"
    with mutex:
        pass


def square(mutex_and_number):
    mutex, number = mutex_and_number
    with mutex:
        return number * number


@METHODS
def test_pool(path, method):
    mutex = SharedMutex(path)
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(square, [(mutex, i) for i in range(20)]) == [i * i for i in range(20)]


def in_child(function):
    """Runs it in a forked child; its result, a few words, comes back through a pipe."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            text = repr(function())
        except BaseException as error:
            text = type(error).__name__
        os.write(writing, text.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        text = file.read()
    os.waitpid(child, 0)
    return text


def test_a_child_does_not_hold_its_parents_lock(path):
    mutex = SharedMutex(path, recursive=True)
    with mutex, mutex:
        assert in_child(lambda: (mutex.owned, mutex.locked(), mutex.owner[0] == os.getppid(), mutex.depth)) == (
            "(False, True, True, 2)"
        )
        assert in_child(mutex.release) == "NotOwnerError"
        assert in_child(mutex.unlock) == "NotOwnerError"
        assert in_child(mutex.poison) == "NotOwnerError"
        assert in_child(mutex._release_save) == "NotOwnerError"
        assert in_child(lambda: mutex.acquire(False)) == "False"
        assert in_child(lambda: mutex.acquire(timeout=0.01)) == "False"
        assert mutex.depth == 2
    assert in_child(lambda: mutex.acquire()) == "True"
    with pytest.raises(shmutex.OwnerDiedError):  # that child
        mutex.acquire()


def test_a_child_may_use_and_close_what_it_inherited(path):
    mutex = SharedMutex(path)

    def use():
        with mutex:
            pass
        mutex.close()
        return mutex.closed

    assert in_child(use) == "True"
    with mutex:
        assert in_child(lambda: mutex.close()) == "None"


def test_fork_while_another_thread_waits(path, spawn):
    """The child has none of the parent's other threads, so it may close what they wait in."""
    mutex = SharedMutex(path)
    mutex.acquire()
    thread = threading.Thread(target=lambda: (mutex.acquire(), mutex.release()))
    thread.start()
    poll(lambda: mutex.info().waiters)
    assert in_child(lambda: mutex.close()) == "None"
    mutex.release()
    thread.join()


def test_at_fork_reinit_leaves_others_alone(path):
    condition = threading.Condition(SharedMutex(path, recursive=True))
    with condition:
        assert in_child(lambda: condition._lock._at_fork_reinit()) == "None"
        assert in_child(lambda: condition._is_owned()) == "False"
        assert condition._is_owned()


def test_many_processes_open_at_once(path, spawn):
    code = """
    hear()
    mutex = shmutex.SharedMutex(sys.argv[1])
    with mutex:
        say(os.stat(sys.argv[1]).st_ino)
    """
    processes = [spawn(code, path) for _ in range(8)]
    for process in processes:
        process.tell()
    assert len({process.hear() for process in processes}) == 1
