"""A mutex as a Python object: references, subclasses, pickles, copies."""

import abc
import copy
import gc
import os
import pickle
import weakref

import pytest

import shmutex
from shmutex import SharedMutex


def test_weak_references(path):
    mutex = SharedMutex(path)
    called = []
    reference = weakref.ref(mutex, called.append)
    assert reference() is mutex
    del mutex
    assert reference() is None and called == [reference]


def test_a_cycle_through_recover_is_collected(path):
    class Store:
        def __init__(self):
            self.mutex = SharedMutex(path, recover=self.repair)

        def repair(self, mutex):
            pass

    reference = weakref.ref(Store().mutex)
    gc.collect()
    assert reference() is None


def test_subclass(path):
    class Named(SharedMutex):
        def __init__(self, path, name):
            super().__init__(path)
            self.name = name

        def acquire(self, *args, **kwargs):
            self.acquired = super().acquire(*args, **kwargs)
            return self.acquired

    mutex = Named(path, "till")
    assert mutex.acquire(timeout=1) and mutex.acquired and mutex.name == "till"
    mutex.release()
    with mutex as inside:
        assert inside is mutex
    assert "Named object at" in repr(mutex) and weakref.ref(mutex)() is mutex


def test_subclass_with_another_metaclass(path):
    class Lockable(abc.ABC):
        @abc.abstractmethod
        def acquire(self): ...

    class Both(SharedMutex, Lockable):
        pass

    with Both(path):
        pass


def test_subclass_with_slots(path):
    class Slotted(SharedMutex):
        __slots__ = ("extra",)

    mutex = Slotted(path)
    mutex.extra = 1
    with mutex:
        assert mutex.extra == 1


def test_attributes(mutex):
    mutex.note = "x"
    assert mutex.note == "x" and mutex.__dict__ == {"note": "x"}
    for name in ("path", "owned", "closed"):
        with pytest.raises(AttributeError):
            setattr(mutex, name, 1)


def test_identity(path):
    first, second = SharedMutex(path), SharedMutex(path)
    assert first != second and len({first, second}) == 2 and bool(first)


def repair(mutex):
    pass


class Counter(SharedMutex):
    def __init__(self, path, start):
        super().__init__(path, recursive=True)
        self.start = start


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("recover", [None, shmutex.ACCEPT, repair])
def test_pickle(path, recover, protocol):
    mutex = SharedMutex(path, recursive=True, fair=True, recover=recover)
    again = pickle.loads(pickle.dumps(mutex, protocol))
    assert type(again) is SharedMutex and again is not mutex and again.path == path
    with mutex:
        assert again.owned
    assert again.__reduce__()[1] == mutex.__reduce__()[1]


def test_pickle_of_a_subclass(path):
    again = pickle.loads(pickle.dumps(Counter(path, 5)))
    assert type(again) is Counter and again.start == 5
    with again, again:
        pass


def test_pickle_of_a_relative_path(path, monkeypatch):
    monkeypatch.chdir("/dev/shm")
    data = pickle.dumps(SharedMutex(os.path.basename(path)))
    monkeypatch.chdir("/")
    assert pickle.loads(data).path == path


def test_pickle_never_makes_a_second_lock(path):
    mutex = SharedMutex(path)
    data = pickle.dumps(mutex)
    mutex.unlink()
    with pytest.raises(shmutex.MutexError):
        pickle.loads(data)
    assert not os.path.exists(path)


def test_pickle_of_a_closed_one(path):
    mutex = SharedMutex(path)
    mutex.close()
    with pytest.raises(ValueError):
        pickle.dumps(mutex)


def test_copy_is_another_handle(mutex):
    for again in (copy.copy(mutex), copy.deepcopy(mutex)):
        with mutex:
            assert again.owned


def test_accept():
    assert repr(shmutex.ACCEPT) == "shmutex.ACCEPT"
    assert pickle.loads(pickle.dumps(shmutex.ACCEPT)) is shmutex.ACCEPT
    assert copy.deepcopy(shmutex.ACCEPT) is shmutex.ACCEPT
