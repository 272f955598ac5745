"""The class and the functions, each by itself."""

import errno
import logging
import os
import pathlib
import stat
import threading
import time

import pytest

import shmutex
from processes import HOLD, poll
from shmutex import SharedMutex


def test_version_is_the_headers(source_tree):
    header = (source_tree / "capi/include/shmutex/base.h").read_text()
    parts = [line.split()[2] for line in header.splitlines() if line.startswith("#define SHMUTEX_VERSION_")]
    assert shmutex.__version__ == ".".join(parts)


def test_acquire_and_release(mutex):
    assert mutex.acquire() is True
    assert mutex.owned and mutex.locked()
    assert mutex.release() is None
    assert not mutex.owned and not mutex.locked()


def test_c_names(mutex):
    assert mutex.lock() is True
    assert mutex.lock(blocking=False) is False
    assert mutex.unlock() is None
    assert mutex.lock(True, None) and mutex.unlock() is None
    assert mutex.lock(timeout=1) and mutex.unlock() is None


def test_with_returns_the_mutex(mutex):
    with mutex as inside:
        assert inside is mutex and mutex.owned
    assert not mutex.owned


def test_with_releases_when_an_exception_leaves(mutex):
    with pytest.raises(KeyError):
        with mutex:
            raise KeyError
    assert not mutex.locked()


def test_owner_token_depth(mutex):
    assert mutex.owner is None and mutex.depth == 0
    before = mutex.token
    with mutex:
        assert mutex.owner == shmutex.Owner(pid=os.getpid(), tid=threading.get_native_id())
        assert mutex.depth == 1
        assert mutex.token == before + 1
    assert mutex.token == before + 1


def test_recursive(path):
    mutex = SharedMutex(path, recursive=True)
    with mutex:
        token = mutex.token
        with mutex:
            assert mutex.acquire(blocking=False) and mutex.acquire(timeout=1)
            assert mutex.depth == 4 and mutex.token == token
            mutex.release()
            mutex.release()
        assert mutex.depth == 1 and mutex.owned
    assert mutex.depth == 0 and not mutex.owned


def test_acquiring_ones_own_lock_again(mutex):
    with mutex:
        assert mutex.acquire(blocking=False) is False
        with pytest.raises(shmutex.DeadlockError) as caught:
            mutex.acquire()
        assert caught.value.errno == errno.EDEADLK and caught.value.filename == mutex.path
        with pytest.raises(shmutex.DeadlockError):
            mutex.acquire(timeout=0.01)
        assert mutex.owned
    with mutex:
        pass


def test_release_of_what_is_not_held(mutex):
    with pytest.raises(shmutex.NotOwnerError) as caught:
        mutex.release()
    assert caught.value.errno == errno.EPERM
    assert isinstance(caught.value, RuntimeError) and isinstance(caught.value, OSError)
    assert mutex.path in str(caught.value)
    for method in (mutex.unlock, mutex.consistent, mutex.poison):
        with pytest.raises(shmutex.NotOwnerError):
            method()


def test_exceptions_form_the_hierarchy():
    for name, base in {
        "MutexError": OSError,
        "NotOwnerError": RuntimeError,
        "DeadlockError": RuntimeError,
        "OwnerDiedError": shmutex.MutexError,
        "NotRecoverableError": shmutex.MutexError,
        "RemovedError": shmutex.MutexError,
        "InvalidMutexError": ValueError,
    }.items():
        each = getattr(shmutex, name)
        assert issubclass(each, base) and issubclass(each, shmutex.MutexError), name
        assert each.__module__ == "shmutex" and each.__doc__


@pytest.mark.parametrize("convert", [str, os.fsencode, pathlib.Path], ids=["str", "bytes", "PathLike"])
def test_paths(path, convert):
    with SharedMutex(convert(path)) as mutex:
        assert mutex.path == (os.fsencode(path) if convert is os.fsencode else path)
        assert shmutex.inspect(convert(path)).state == "held"
    shmutex.unlink(convert(path))
    assert not os.path.exists(path)


def test_a_path_that_is_none(tmp_path):
    for bad in (None, 3, 1.5, []):
        with pytest.raises(TypeError):
            SharedMutex(bad)
    with pytest.raises(ValueError):
        SharedMutex("a\0b")
    with pytest.raises(shmutex.MutexError):
        SharedMutex("")


def test_a_relative_path_stays_the_same_lock(path, monkeypatch):
    monkeypatch.chdir("/dev/shm")
    mutex = SharedMutex(os.path.basename(path))
    monkeypatch.chdir("/")
    assert mutex.path == os.path.basename(path)
    with SharedMutex(path):
        assert mutex.owned
    mutex.unlink()
    assert not os.path.exists(path)


def test_exist(path):
    with pytest.raises(shmutex.MutexError) as caught:
        SharedMutex(path, exist=True)
    assert caught.value.errno == errno.ENOENT and caught.value.filename == path
    first = SharedMutex(path, exist=False)
    with pytest.raises(shmutex.MutexError) as caught:
        SharedMutex(path, exist=False)
    assert caught.value.errno == errno.EEXIST
    for exist in (None, True):
        with SharedMutex(path, exist=exist):
            assert first.owned


def test_mode_whatever_the_umask(path):
    previous = os.umask(0o077)
    try:
        SharedMutex(path, mode=0o664)
    finally:
        os.umask(previous)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o664


def test_default_mode(path):
    SharedMutex(path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


@pytest.mark.parametrize("mode", [-1, 0, 0o1000])
def test_bad_mode(path, mode):
    with pytest.raises(ValueError):
        SharedMutex(path, mode=mode)


def test_options_are_keywords(path):
    with pytest.raises(TypeError):
        SharedMutex(path, True)
    with pytest.raises(TypeError):
        SharedMutex(path, colour=1)
    with pytest.raises(TypeError):
        SharedMutex(path, recover=3)
    with pytest.raises(TypeError):
        SharedMutex()
    assert not os.path.exists(path)


def test_other_attributes_than_the_lock_has(path):
    SharedMutex(path, recursive=True)
    with pytest.raises(shmutex.InvalidMutexError) as caught:
        SharedMutex(path)
    assert caught.value.errno == errno.EPROTOTYPE and isinstance(caught.value, ValueError)


def test_what_is_not_a_lock(path):
    pathlib.Path(path).write_text("x" * 5000)
    for function in (SharedMutex, shmutex.inspect, shmutex.unlink):
        with pytest.raises(shmutex.InvalidMutexError) as caught:
            function(path)
        assert caught.value.errno == errno.EBADMSG and caught.value.filename == path
    assert os.path.getsize(path) == 5000


def test_a_directory_and_a_symbolic_link(path, tmp_path):
    with pytest.raises(shmutex.MutexError) as caught:
        SharedMutex(tmp_path)
    assert caught.value.errno == errno.EINVAL
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(shmutex.MutexError) as caught:
        SharedMutex(link)
    assert caught.value.errno == errno.ELOOP


def test_info(path, spawn):
    mutex = SharedMutex(path, recursive=True, fair=True)
    info = mutex.info()
    assert info == shmutex.inspect(path)
    assert (info.state, info.recursive, info.fair, info.owner, info.depth) == ("free", True, True, None, 0)
    assert info.same_boot and info.same_pid_namespace and info.links == 1 and not info.waiters
    with mutex, mutex:
        assert mutex.info().state == "held" and mutex.info().depth == 2
        assert shmutex.inspect(path).owner == mutex.owner
    assert isinstance(info, shmutex.Info) and isinstance(info, tuple)


def test_info_tells_of_waiters(path, spawn):
    mutex = SharedMutex(path)
    assert mutex.info().kind == "mutex" and mutex.info().owner_since is None and mutex.info().waiters == 0
    before = time.monotonic()
    with mutex:
        assert mutex.info().owner_since is None
        waiters = []
        for count in (1, 2):
            waiters.append(spawn("with shmutex.SharedMutex(sys.argv[1]): pass", path))
            poll(lambda count=count: mutex.info().waiters == count)
        poll(lambda: mutex.info().owner_since is not None)
        info = mutex.info()
        assert isinstance(info.owner_since, float) and before <= info.owner_since <= time.monotonic()
        assert shmutex.inspect(path).owner_since == info.owner_since
    assert [waiter.finish() for waiter in waiters] == [(0, "", "")] * 2
    assert mutex.info().owner_since is None and mutex.info().waiters == 0


def test_owner_in_another_process(mutex, spawn):
    holder = spawn(HOLD, mutex.path).expect("held")
    assert mutex.locked() and not mutex.owned
    assert mutex.owner == (holder.pid, holder.pid)
    assert mutex.acquire(blocking=False) is False
    assert mutex.acquire(timeout=0.01) is False
    holder.tell().expect("released")
    with mutex:
        pass


def test_inspect_of_nothing(path):
    with pytest.raises(shmutex.MutexError) as caught:
        shmutex.inspect(path)
    assert caught.value.errno == errno.ENOENT


def test_poison(mutex):
    with mutex:
        mutex.poison()
        assert mutex.owned
    for attempt in (mutex.acquire, mutex.__enter__, lambda: mutex.acquire(blocking=False)):
        with pytest.raises(shmutex.NotRecoverableError) as caught:
            attempt()
        assert caught.value.errno == errno.ENOTRECOVERABLE
    assert mutex.info().state == "poisoned"
    mutex.unlink()


def test_consistent_with_nothing_to_declare(mutex):
    with mutex, pytest.raises(shmutex.MutexError) as caught:
        mutex.consistent()
    assert caught.value.errno == errno.EINVAL


def test_unlink(path):
    mutex = SharedMutex(path)
    other = SharedMutex(path)
    with mutex, pytest.raises(shmutex.MutexError) as caught:
        other.unlink()
    assert caught.value.errno == errno.EBUSY
    other.unlink()
    assert not os.path.exists(path)
    for each in (mutex, other):
        with pytest.raises(shmutex.RemovedError) as caught:
            each.acquire()
        assert caught.value.errno == errno.EIDRM
    with SharedMutex(path) as anew:
        with pytest.raises(shmutex.RemovedError):
            mutex.unlink()  # not the new one, by mistake
        assert not mutex.owned and anew.owned
    assert os.path.exists(path)
    anew.close()
    anew.unlink()
    assert not os.path.exists(path)


def test_close(path):
    mutex = SharedMutex(path)
    assert mutex.closed is False
    assert mutex.close() is None and mutex.close() is None
    assert mutex.closed is True and mutex.path == path and not mutex.owned
    for use in (
        mutex.acquire,
        mutex.release,
        mutex.__enter__,
        mutex.locked,
        mutex.info,
        mutex.poison,
        mutex.consistent,
    ):
        with pytest.raises(ValueError, match="closed"):
            use()
    for name in ("owner", "token", "depth"):
        with pytest.raises(ValueError, match="closed"):
            getattr(mutex, name)


def test_close_while_held(path):
    mutex = SharedMutex(path)
    with mutex, pytest.raises(shmutex.MutexError) as caught:
        mutex.close()
    assert caught.value.errno == errno.EBUSY and not mutex.closed
    mutex.close()


def test_opening_twice(path):
    mutex = SharedMutex(path)
    with pytest.raises(RuntimeError):
        mutex.__init__(path)
    mutex.close()
    mutex.__init__(path)
    with mutex:
        pass


@pytest.mark.parametrize("moment", ["path", "exist"])
def test_opening_twice_from_within(path, moment):
    """What __init__ calls opens the mutex before it does."""
    mutex = SharedMutex.__new__(SharedMutex)

    class Sly:
        def __fspath__(self):
            if moment == "path":
                mutex.__init__(path)
            return path + ".second"

        def __bool__(self):
            if moment == "exist":
                mutex.__init__(path)
            return False

    with pytest.raises(RuntimeError, match="open already"):
        mutex.__init__(Sly(), exist=Sly())
    try:
        assert mutex.path == path
        with mutex:
            assert SharedMutex(path).owned
        other = SharedMutex(path)
        other.close()
        mutex.close()
        mutex.close()
    finally:
        shmutex.unlink(path + ".second")


def test_opening_at_once_from_many_threads(path):
    """Of those who open one object together, one does; and the list of open mutexes stays whole."""
    for _ in range(50):
        mutex = SharedMutex.__new__(SharedMutex)
        outcomes = []
        start = threading.Barrier(4)

        def initialise():
            start.wait()
            try:
                mutex.__init__(path)
                outcomes.append("opened")
            except RuntimeError:
                outcomes.append("refused")

        threads = [threading.Thread(target=initialise) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["opened"] + ["refused"] * 3
        with mutex:
            pass
        mutex.close()


def test_a_path_whose_destructor_closes_the_mutex(path):
    logging.getLogger("shmutex").setLevel(logging.CRITICAL)  # pytest keeps all records, and their arguments
    mutex = SharedMutex(path)

    class Name(str):
        def __del__(self):
            mutex.close()

    mutex.close()
    mutex.__init__(Name(path))
    mutex.close()
    mutex.__init__(path)  # drops the last reference to that name
    assert mutex.closed
    mutex.__init__(path)
    with mutex:
        pass


def test_never_opened():
    mutex = SharedMutex.__new__(SharedMutex)
    assert mutex.closed and mutex.path is None and "closed" in repr(mutex)
    with pytest.raises(ValueError):
        mutex.acquire()
    with pytest.raises(ValueError):
        mutex.unlink()
    mutex.close()


def test_handles_of_one_process_are_one_lock(path):
    first, second = SharedMutex(path), SharedMutex(path)
    first.acquire()
    assert second.owned
    first.close()
    second.release()
    assert not second.locked()


def test_repr(path):
    mutex = SharedMutex(path)
    address = f"0x{id(mutex):x}"
    assert repr(mutex) == f"<unlocked shmutex.SharedMutex object at {address}, path={path!r}>"
    with mutex:
        assert repr(mutex) == f"<locked shmutex.SharedMutex object at {address}, path={path!r}>"
    mutex.close()
    assert repr(mutex) == f"<closed shmutex.SharedMutex object at {address}, path={path!r}>"


def test_constants():
    assert SharedMutex.SIZE == 256 and SharedMutex.ALIGN == 64


def test_the_class_is_clean():
    assert SharedMutex.__mro__ == (SharedMutex, object) and type(SharedMutex) is type
    public = {name for name in dir(SharedMutex) if not name.startswith("_")}
    assert public == {
        "ALIGN", "SIZE", "acquire", "close", "closed", "consistent", "depth", "from_buffer", "info", "lock", "locked",
        "owned", "owner", "path", "poison", "release", "token", "unlink", "unlock",
    }  # fmt: skip
