"""Several processes on one lock: fork, spawn, forkserver; what a forked child may do."""

import mmap
import multiprocessing
import os
import struct
import sys
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


INSIDE = """
mutex = shmutex.SharedMutex(sys.argv[1], {options})
with mutex{inner}:
    {fork}
{after}
"""
CHILDREN = {
    "ends": ("child = os.fork()", "if child == 0: sys.exit(0)"),
    "sys.exit": ("child = os.fork()\n    if child == 0: sys.exit(0)", ""),
    "sys.exit with a status": ("child = os.fork()\n    if child == 0: sys.exit(7)", ""),
    "grandchild": (
        "child = os.fork()\n    if child == 0:\n        if os.fork() == 0: sys.exit(5)\n"
        "        sys.exit(7 if os.WEXITSTATUS(os.wait()[1]) == 5 else 8)",
        "",
    ),
    "closes": ("child = os.fork()\n    if child == 0:\n        mutex.close()", ""),
    "uses it": ("child = os.fork()", "if child == 0:\n    with mutex: mutex.owned or sys.exit(9)"),
    "waits inside": ("child = os.fork()\n    if child == 0:\n        with mutex: mutex.owned or sys.exit(9)", ""),
    "acquires inside": ("child = os.fork()\n    if child == 0: mutex.acquire()", ""),
}
STATUS = {"sys.exit with a status": 7, "grandchild": 7}


@pytest.mark.parametrize("kind", ["", "fair=True", "recursive=True"], ids=["plain", "fair", "recursive"])
@pytest.mark.parametrize("child", CHILDREN)
def test_a_child_forked_inside_with_leaves_it_silently(path, spawn, kind, child):
    inside, after = CHILDREN[child]
    code = INSIDE.format(
        options=kind,
        inner=", mutex" if kind == "recursive=True" else "",
        fork=inside,
        after=after + "\nif child: say(os.WEXITSTATUS(os.waitpid(child, 0)[1]))",
    )
    status, out, errors = spawn(code, path).finish()
    assert (status, out, errors) == (0, f"{STATUS.get(child, 0)}\n", "")
    assert shmutex.inspect(path).state == "free"


def test_an_exception_of_the_child_goes_on(path, spawn):
    code = INSIDE.format(
        options="",
        inner="",
        fork="child = os.fork()\n    if child == 0: raise KeyError('of the child')",
        after="say(os.WEXITSTATUS(os.waitpid(child, 0)[1]))",
    )
    status, out, errors = spawn(code, path).finish()
    assert (status, out) == (0, "1\n") and "KeyError: 'of the child'" in errors and "NotOwnerError" not in errors


def test_leaving_what_one_has_released_is_still_a_mistake(path):
    """In the process itself, and in a child that entered the block itself."""
    mutex = SharedMutex(path)

    def release_inside():
        with mutex:
            mutex.release()

    with pytest.raises(shmutex.NotOwnerError):
        release_inside()
    assert in_child(release_inside) == "NotOwnerError"


def leave_blocks(mutexes):
    """What a worker does that was started inside the blocks, and starts one itself."""
    for mutex in mutexes:
        assert not mutex.owned and mutex.locked()
    child = os.fork()
    if child == 0:
        sys.exit(4)
    assert os.WEXITSTATUS(os.waitpid(child, 0)[1]) == 4


@METHODS
def test_workers_started_inside_with(path, method):
    mutexes = [SharedMutex(path), SharedMutex(path + "2", fair=True)]
    context = multiprocessing.get_context(method)
    with mutexes[0], mutexes[1]:
        worker = context.Process(target=leave_blocks, args=(mutexes,))
        worker.start()
        worker.join()
    assert worker.exitcode == 0
    mutexes[1].unlink()


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
