"""A mutex as a Python object: references, subclasses, pickles, copies."""

import abc
import copy
import errno
import gc
import multiprocessing
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


@pytest.fixture
def through_a_link(tmp_path):
    """d/link -> d/real/sub: d/link/../x.lock is d/real/x.lock, as the kernel follows the link first."""
    (tmp_path / "real/sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real/sub")
    return tmp_path


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("convert", [str, os.fsencode])
def test_pickle_and_unlink_through_a_symbolic_link(through_a_link, monkeypatch, relative, convert):
    monkeypatch.chdir(through_a_link)
    name = "link/../x.lock" if relative else str(through_a_link / "link/../x.lock")
    mutex = SharedMutex(convert(name))
    real = through_a_link / "real/x.lock"
    assert real.exists()
    decoy = SharedMutex(through_a_link / "x.lock")
    monkeypatch.chdir("/")
    with mutex:
        assert pickle.loads(pickle.dumps(mutex)).owned and not decoy.locked()
    mutex.unlink()
    assert not real.exists() and (through_a_link / "x.lock").exists()


def test_a_relative_path_in_a_deleted_directory(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for name in ("x.lock", b"x.lock"):
        with pytest.raises(shmutex.MutexError, match="directory") as caught:
            SharedMutex(name)
        assert caught.value.errno == errno.ENOENT and caught.value.filename == name
    with SharedMutex(tmp_path / "x.lock"):
        pass


class Slotted(SharedMutex):
    __slots__ = ("first", "second", "never_set")


class SlottedMore(Slotted):
    __slots__ = ("third",)


class WithState(SharedMutex):
    def __getstate__(self):
        return {"note": self.note, "from_getstate": True}

    def __setstate__(self, state):
        self.__dict__.update(state, restored=True)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_keeps_slots_and_attributes(path, protocol):
    mutex = SlottedMore(path)
    mutex.first, mutex.second, mutex.third, mutex.free = 1, [2], "3", 4
    for again in (pickle.loads(pickle.dumps(mutex, protocol)), copy.copy(mutex), copy.deepcopy(mutex)):
        assert type(again) is SlottedMore
        assert (again.first, again.second, again.third, again.free) == (1, [2], "3", 4)
        assert not hasattr(again, "never_set")


def test_pickle_asks_getstate(path):
    mutex = WithState(path)
    mutex.note, mutex.secret = "x", "y"
    again = pickle.loads(pickle.dumps(mutex))
    assert again.__dict__ == {"note": "x", "from_getstate": True, "restored": True}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of fork beside other threads
def test_functions_are_pickled_by_name(path):
    for function in (shmutex.unlink, shmutex.inspect, shmutex.configure_default_logging):
        assert function.__module__ == "shmutex"
        assert pickle.loads(pickle.dumps(function)) is function
    with SharedMutex(path):
        pass
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert [info.state for info in pool.map(shmutex.inspect, [path])] == ["free"]
        pool.map(shmutex.unlink, [path])
    assert not os.path.exists(path)


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
