"""The same cases on threading's locks and on ours. What differs: docs/python.md, test_api.py."""

import threading
import time

import pytest

from shmutex import SharedMutex

KINDS = ["threading.Lock", "SharedMutex", "SharedMutex, fair"]
RECURSIVE_KINDS = ["threading.RLock", "SharedMutex, recursive", "SharedMutex, recursive and fair"]


def make(kind, path):
    if kind.startswith("threading"):
        return getattr(threading, kind.split(".")[1])()
    return SharedMutex(path, recursive="recursive" in kind, fair="fair" in kind)


@pytest.fixture(params=KINDS)
def lock(request, path):
    return make(request.param, path)


@pytest.fixture(params=RECURSIVE_KINDS)
def rlock(request, path):
    return make(request.param, path)


@pytest.fixture(params=KINDS + RECURSIVE_KINDS)
def any_lock(request, path):
    return make(request.param, path)


@pytest.fixture
def held_elsewhere(any_lock):
    """The lock, held by another thread until the test is over."""
    taken, over = threading.Event(), threading.Event()

    def hold():
        with any_lock:
            taken.set()
            over.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait()
    yield any_lock
    over.set()
    thread.join()


def test_acquire_returns_true(any_lock):
    for arguments in ((), (True,), (False,), (True, 1), (True, -1), (True, 0), (1, 0.5), (0,)):
        assert any_lock.acquire(*arguments) is True
        assert any_lock.release() is None


def test_keywords(any_lock):
    for arguments in ({"blocking": True}, {"timeout": 2}, {"timeout": -1}, {"blocking": True, "timeout": 0.1}):
        assert any_lock.acquire(**arguments) is True
        any_lock.release()


def test_busy_is_false(held_elsewhere):
    assert held_elsewhere.acquire(False) is False
    assert held_elsewhere.acquire(blocking=False) is False
    assert held_elsewhere.acquire(timeout=0) is False
    assert held_elsewhere.acquire(timeout=0.01) is False
    assert held_elsewhere.acquire(True, 1e-9) is False


def test_a_timeout_is_waited_for(held_elsewhere):
    start = time.monotonic()
    assert held_elsewhere.acquire(timeout=0.25) is False
    assert time.monotonic() - start >= 0.25


def test_a_lock_that_is_free_is_acquired_whatever_the_timeout(any_lock):
    assert any_lock.acquire(timeout=0)
    any_lock.release()


def outcome(lock, arguments, keywords):
    """What acquire() does, and with which words, as far as these are the same in all versions of Python."""
    try:
        result = lock.acquire(*arguments, **keywords)
    except Exception as error:
        text = str(error)
        return type(error), text if "NaN" in text or "non-blocking" in text else None
    lock.release()
    return result


NAN, INFINITY = float("nan"), float("inf")
TIMEOUTS = [0, 0.0, -1, -1.0, True, -2, -0.5, -1e-9, -1.5, NAN, -INFINITY, INFINITY, -1e300, 1e300, 1e10, -1e10]
TIMEOUTS += [2**63, -(2**63), 2**100, -(2**100), 9223372036.5, 9223372037, -9223372037, threading.TIMEOUT_MAX * 2]


@pytest.mark.parametrize("timeout", TIMEOUTS, ids=repr)
@pytest.mark.parametrize("blocking", [True, False])
def test_timeouts_do_what_they_do_in_threading(any_lock, timeout, blocking):
    for arguments, keywords in (((blocking, timeout), {}), ((blocking,), {"timeout": timeout})):
        assert outcome(any_lock, arguments, keywords) == outcome(threading.Lock(), arguments, keywords)
    if blocking:
        assert outcome(any_lock, (), {"timeout": timeout}) == outcome(threading.Lock(), (), {"timeout": timeout})
    assert any_lock.acquire(False)
    any_lock.release()


def test_ones_own_lock_is_busy(lock):
    with lock:
        assert lock.acquire(False) is False
        assert lock.acquire(blocking=False) is False
        assert lock.acquire(timeout=0) is False
        assert lock.acquire(True, 0.0) is False
    assert lock.acquire(timeout=0) is True
    lock.release()


def test_the_largest_timeout(any_lock):
    assert any_lock.acquire(timeout=threading.TIMEOUT_MAX)
    any_lock.release()


@pytest.mark.parametrize("timeout", [0, 1, 1.5])
def test_a_timeout_without_blocking(any_lock, timeout):
    with pytest.raises(ValueError, match="can't specify a timeout for a non-blocking call"):
        any_lock.acquire(False, timeout)


@pytest.mark.parametrize(
    "arguments, keywords",
    [
        ((True, 1, 2), {}),
        ((), {"colour": 1}),
        ((True,), {"blocking": True}),
        ((True, 1), {"timeout": 1}),
        ((True, "1"), {}),
        ((True, None), {}),
        ((), {"timeout": None}),
    ],
)
def test_wrong_arguments(any_lock, arguments, keywords):
    with pytest.raises(TypeError):
        any_lock.acquire(*arguments, **keywords)
    with any_lock:
        pass


def test_release_of_a_free_lock(any_lock):
    with pytest.raises(RuntimeError):
        any_lock.release()


def test_release_of_another_threads_lock(rlock):
    rlock.acquire()
    errors = []

    def release():
        try:
            rlock.release()
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=release)
    thread.start()
    thread.join()
    assert len(errors) == 1
    rlock.release()


def test_exit_lets_exceptions_through(any_lock):
    with pytest.raises(ZeroDivisionError):
        with any_lock:
            1 / 0
    assert any_lock.acquire(False)
    any_lock.release()


def test_locked(lock):
    assert lock.locked() is False
    with lock:
        assert lock.locked() is True
    assert lock.locked() is False


def test_recursion(rlock):
    for _ in range(10):
        assert rlock.acquire() is True
    for _ in range(10):
        rlock.release()
    with pytest.raises(RuntimeError):
        rlock.release()


def test_weak_references(any_lock):
    import weakref

    assert weakref.ref(any_lock)() is any_lock


def test_mutual_exclusion(any_lock):
    total = 0

    def add():
        nonlocal total
        for _ in range(500):
            with any_lock:
                seen = total
                time.sleep(0)
                total = seen + 1

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total == 2000


def test_condition(any_lock):
    condition = threading.Condition(any_lock)
    items, taken = [], []

    def consume():
        with condition:
            while len(taken) < 50:
                if not condition.wait_for(lambda: items, timeout=60):
                    return
                taken.append(items.pop())
                condition.notify_all()

    thread = threading.Thread(target=consume)
    thread.start()
    for i in range(50):
        with condition:
            condition.wait_for(lambda: not items)
            items.append(i)
            condition.notify_all()
    thread.join()
    assert taken == list(range(50))


def test_condition_on_a_lock_held_deeply(rlock):
    condition = threading.Condition(rlock)
    seen = []

    def notify():
        with condition:
            seen.append("free meanwhile")
            condition.notify()

    with condition, condition, condition:
        thread = threading.Thread(target=notify)
        thread.start()
        assert condition.wait(timeout=60)
        seen.append("held again")
    thread.join()
    assert seen == ["free meanwhile", "held again"]
    with pytest.raises(RuntimeError):
        rlock.release()


def test_condition_without_the_lock(any_lock):
    condition = threading.Condition(any_lock)
    with pytest.raises(RuntimeError):
        condition.notify()
    with pytest.raises(RuntimeError):
        condition.wait(0)


def test_condition_methods(rlock):
    rlock.acquire()
    rlock.acquire()
    assert rlock._is_owned()
    state = rlock._release_save()
    assert not rlock._is_owned()
    rlock._acquire_restore(state)
    rlock.release()
    rlock.release()
    assert not rlock._is_owned()
    with pytest.raises(RuntimeError):
        rlock._release_save()


def test_at_fork_reinit(path):
    mutex = SharedMutex(path, recursive=True)
    condition = threading.Condition(mutex)
    if hasattr(condition, "_at_fork_reinit"):
        condition._at_fork_reinit()
    mutex._at_fork_reinit()
    with mutex:
        mutex._at_fork_reinit()
        assert mutex.owned  # others may be waiting for us: nothing is reset
