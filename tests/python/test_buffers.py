"""A lock in memory that the program brings."""

import array
import ctypes
import errno
import gc
import mmap
import multiprocessing
import os
import pickle
import sys
import textwrap
import weakref
from multiprocessing import shared_memory

import pytest

import shmutex
from shmutex import SharedMutex

SIZE, ALIGN = SharedMutex.SIZE, SharedMutex.ALIGN


def aligned_offset(buffer):
    address = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
    return -address % ALIGN


def make_bytearray():
    return bytearray(SIZE + ALIGN)


def make_mmap():
    return mmap.mmap(-1, mmap.PAGESIZE)


def make_numpy():
    return pytest.importorskip("numpy").zeros(SIZE + ALIGN, dtype="uint8")


def make_array():
    return array.array("q", bytes(SIZE + ALIGN))


def make_ctypes():
    return (ctypes.c_char * (SIZE + ALIGN))()


def make_memoryview():
    return memoryview(bytearray(SIZE + ALIGN))


MAKERS = [make_bytearray, make_mmap, make_numpy, make_array, make_ctypes, make_memoryview]


@pytest.fixture(params=MAKERS, ids=lambda make: make.__name__[5:])
def buffer(request):
    return request.param()


def test_any_writable_buffer(buffer):
    mutex = SharedMutex.from_buffer(buffer, aligned_offset(buffer))
    assert mutex.path is None and not mutex.closed and not mutex.locked()
    with mutex:
        assert mutex.owned and mutex.info().links == 1
    mutex.close()
    assert mutex.closed


def test_two_mutexes_in_one_buffer():
    memory = make_mmap()
    first = SharedMutex.from_buffer(memory)
    second = SharedMutex.from_buffer(memory, SIZE)
    same = SharedMutex.from_buffer(memory, offset=0)
    with first:
        assert same.owned and not second.locked()
        with second:
            pass


def test_recursive_and_fair():
    memory = make_mmap()
    mutex = SharedMutex.from_buffer(memory, recursive=True, fair=True)
    with mutex, mutex:
        assert mutex.depth == 2
    with pytest.raises(shmutex.InvalidMutexError) as caught:
        SharedMutex.from_buffer(memory)
    assert caught.value.errno == errno.EPROTOTYPE


def test_init():
    memory = make_mmap()
    with pytest.raises(shmutex.InvalidMutexError) as caught:
        SharedMutex.from_buffer(memory, init=False)
    assert caught.value.errno == errno.EBADMSG
    SharedMutex.from_buffer(memory, init=True).close()
    SharedMutex.from_buffer(memory, init=False).close()
    SharedMutex.from_buffer(memory, init=None).close()
    memory[:] = b"x" * len(memory)
    for init in (None, False):
        with pytest.raises(shmutex.InvalidMutexError):
            SharedMutex.from_buffer(memory, init=init)
    assert bytes(memory[:]) == b"x" * len(memory)
    with SharedMutex.from_buffer(memory, init=True):
        pass


def test_the_buffer_is_held_until_close():
    grown = bytearray(SIZE + ALIGN)
    mutex = SharedMutex.from_buffer(grown, aligned_offset(grown))
    with pytest.raises(BufferError):
        grown.extend(b"more")
    mutex.close()
    grown.extend(b"more")
    memory = make_mmap()
    mutex = SharedMutex.from_buffer(memory)
    with pytest.raises(BufferError):
        memory.close()
    mutex.close()
    memory.close()


def test_the_buffer_is_let_go_when_the_mutex_is_collected():
    memory = make_mmap()
    mutex = SharedMutex.from_buffer(memory)
    del mutex
    memory.close()


def test_a_held_one_keeps_its_buffer_when_collected(caplog):
    memory = make_mmap()
    mutex = SharedMutex.from_buffer(memory)
    mutex.acquire()
    del mutex
    with pytest.raises(BufferError):
        memory.close()
    assert "CRITICAL" in caplog.text
    again = SharedMutex.from_buffer(memory, init=False)
    again.release()


@pytest.mark.parametrize("offset", [-64, mmap.PAGESIZE - SIZE + ALIGN, mmap.PAGESIZE, mmap.PAGESIZE * 2])
def test_outside_of_the_buffer(offset):
    with pytest.raises(ValueError):
        SharedMutex.from_buffer(make_mmap(), offset)


def test_too_small():
    with pytest.raises(ValueError, match=str(SIZE)):
        SharedMutex.from_buffer(memoryview(make_mmap())[: SIZE - 1])
    with SharedMutex.from_buffer(memoryview(make_mmap())[:SIZE]):
        pass


@pytest.mark.parametrize("offset", [sys.maxsize, sys.maxsize - 1, sys.maxsize - ALIGN, 2**62 + 1])
def test_an_offset_far_out(offset):
    with pytest.raises(ValueError, match="the buffer has 4096"):
        SharedMutex.from_buffer(mmap.mmap(-1, 4096), offset)


def test_misaligned_proposes_only_what_fits():
    memory = memoryview(mmap.mmap(-1, 4096))
    with pytest.raises(ValueError, match="too small"):
        SharedMutex.from_buffer(memory[: SIZE + 8], 8)
    with pytest.raises(ValueError, match="offset=64 would be"):
        SharedMutex.from_buffer(memory[: SIZE + ALIGN], 8)


def test_misaligned_says_what_would_do():
    with pytest.raises(ValueError, match="offset=64 would be"):
        SharedMutex.from_buffer(make_mmap(), 8)


@pytest.mark.parametrize("bad", [b"x" * 512, memoryview(b"x" * 512)])
def test_read_only(bad):
    with pytest.raises(BufferError):
        SharedMutex.from_buffer(bad)


@pytest.mark.parametrize("bad", [None, 5, "text", object()])
def test_no_buffer(bad):
    with pytest.raises(TypeError):
        SharedMutex.from_buffer(bad)


def test_arguments():
    with pytest.raises(TypeError):
        SharedMutex.from_buffer()
    with pytest.raises(TypeError):
        SharedMutex.from_buffer(make_mmap(), 0, True)
    with pytest.raises(TypeError):
        SharedMutex.from_buffer(make_mmap(), recover=1)
    SharedMutex.from_buffer(buffer=make_mmap(), offset=0, init=True)


def test_pickle_says_why_not():
    mutex = SharedMutex.from_buffer(make_mmap())
    with pytest.raises(TypeError, match="from_buffer"):
        pickle.dumps(mutex)


def test_a_path_after_a_buffer(path):
    mutex = SharedMutex.from_buffer(make_mmap())
    mutex.close()
    mutex.__init__(path)
    assert mutex.path == path and f"path={path!r}" in repr(mutex)
    assert pickle.loads(pickle.dumps(mutex)).path == path
    mutex.unlink()
    assert not os.path.exists(path)


def test_a_cycle_through_the_buffer_is_collected():
    class Memory(bytearray):
        pass

    memory = Memory(SIZE + ALIGN)
    memory.mutex = SharedMutex.from_buffer(memory, aligned_offset(memory))
    gone = weakref.ref(memory.mutex)
    del memory
    gc.collect()
    assert gone() is None


def test_a_cycle_through_the_buffer_of_a_held_one(caplog):
    class Memory(bytearray):
        pass

    memory = Memory(SIZE + ALIGN)
    memory.mutex = SharedMutex.from_buffer(memory, aligned_offset(memory))
    memory.mutex.acquire()
    del memory
    gc.collect()
    assert caplog.text.count("CRITICAL") == 1 and "collected while its lock is held" in caplog.text


def test_what_is_logged(caplog):
    memory = make_mmap()
    for init in (None, None, False, True):
        SharedMutex.from_buffer(memory, init=init).close()
    words = [record.getMessage().split(": ")[-1] for record in caplog.records]
    assert words == ["created", "closed", "attached", "closed", "attached", "closed", "created", "closed"]


def test_repr():
    memory = make_mmap()
    mutex = SharedMutex.from_buffer(memory, ALIGN)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory)) + ALIGN
    assert repr(mutex) == f"<unlocked shmutex.SharedMutex object at 0x{id(mutex):x}, buffer=0x{address:x}>"


def test_subclass():
    class Mine(SharedMutex):
        pass

    mutex = Mine.from_buffer(make_mmap())
    assert type(mutex) is Mine
    with mutex:
        pass


def test_unlink_ends_it():
    memory = make_mmap()
    mutex, other = SharedMutex.from_buffer(memory), SharedMutex.from_buffer(memory)
    with mutex, pytest.raises(shmutex.MutexError) as caught:
        other.unlink()
    assert caught.value.errno == errno.EBUSY
    mutex.unlink()
    for each in (mutex, other):
        with pytest.raises(shmutex.RemovedError):
            each.acquire()
        with pytest.raises(shmutex.RemovedError) as caught:
            each.unlink()
        assert caught.value.errno == errno.EIDRM and "buffer" in str(caught.value)


def test_death_in_a_forked_child():
    memory = make_mmap()
    mutex = SharedMutex.from_buffer(memory, recover=shmutex.ACCEPT)
    child = os.fork()
    if child == 0:
        mutex.acquire()
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    assert mutex.info().state == "owner-died"
    with mutex:
        pass
    assert mutex.info().recoveries == 1


def use_shared_memory(name, count):
    memory = shared_memory.SharedMemory(name)
    mutex = SharedMutex.from_buffer(memory.buf, init=None)
    value = memory.buf[SIZE : SIZE + 8].cast("q")
    for _ in range(count):
        with mutex:
            value[0] = value[0] + 1
    value.release()
    mutex.close()
    memory.close()


AT_EXIT = """
from multiprocessing.shared_memory import SharedMemory
class Mine(SharedMemory): pass
class Store: pass
{program}
"""
PROGRAMS = {
    "a global": "memory = new()\nmutex = at(memory.buf)",
    "the other order": "mutex = None\nmemory = new()\nmutex = at(memory.buf)",
    "a part of it": "memory = new()\nmutex = at(memory.buf[64:448])",
    "a cast": "memory = new()\nmutex = at(memory.buf.cast('q'))",
    "two": "memory = new()\nmutexes = at(memory.buf), at(memory.buf, 512)",
    "two memories": "memories = [new(), new(), new()]\nmutexes = [at(each.buf) for each in memories[1:]]",
    "held": "memory = new()\nmutex = at(memory.buf)\nmutex.acquire()",
    "held and collected": "memory = new()\nat(memory.buf).acquire()",
    "a subclass": "memory = new(Mine)\nmutex = at(memory.buf)",
    "a cycle": "store = Store()\nstore.self = store\nstore.memory = new()\nstore.mutex = at(store.memory.buf)",
    "a function": "def main():\n    memory = new()\n    mutex = at(memory)\n    with mutex: pass\nmain()\nmain()",
    "the memory dropped first": "memory = new()\nmutex = at(memory)\ndel memory\nwith mutex: pass",
    "the mutex dropped first": "memory = new()\nmutex = at(memory)\ndel mutex\nmemory.close()",
    "used in a destructor": "memory = new()\nclass Last:\n    mutex = at(memory.buf)\n"
    "    def __del__(self):\n        with self.mutex: pass\nlast = Last()",
    "a closed one beside it": "memory = new()\nmutex = at(memory.buf)\nother = new()\nother.close()",
    "not a SharedMemory": "import mmap\nnew()\nmutex = at(memoryview(mmap.mmap(-1, 4096)))",
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_shared_memory_does_not_complain_at_exit(spawn, program):
    define = """
    def new(kind=SharedMemory):
        memory = kind(create=True, size=4096)
        memory.unlink()
        return memory
    at = shmutex.SharedMutex.from_buffer
    """
    status, out, errors = spawn(AT_EXIT.format(program=textwrap.dedent(define) + PROGRAMS[program])).finish()
    lines = [line for line in errors.splitlines() if "which will count as a death" not in line]
    assert (status, out, lines) == (0, "", [])
    assert errors.count("\n") == program.startswith("held")


def test_a_shared_memory_itself():
    """It stays as long as the mutex does, and cannot be closed meanwhile."""
    memory = shared_memory.SharedMemory(create=True, size=4096)
    memory.unlink()
    mutex = SharedMutex.from_buffer(memory, 64)
    with pytest.raises(BufferError):
        memory.close()
    gone = weakref.ref(memory)
    del memory
    gc.collect()
    with mutex:
        assert gone() is not None
    mutex.close()
    assert gone() is None


def test_an_object_whose_buf_is_no_buffer():
    class Odd:
        buf = 5

    with pytest.raises(TypeError, match="int"):
        SharedMutex.from_buffer(Odd())


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_shared_memory_initialised_by_whoever_comes_first(method):
    context = multiprocessing.get_context(method)
    memory = shared_memory.SharedMemory(create=True, size=4096)
    try:
        workers = [context.Process(target=use_shared_memory, args=(memory.name, 2000)) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
            assert worker.exitcode == 0
        assert int.from_bytes(memory.buf[SIZE : SIZE + 8], "little") == 6000
    finally:
        memory.close()
        memory.unlink()
