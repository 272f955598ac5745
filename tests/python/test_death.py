"""An owner dies inside: the next one is told, in each of the ways that `recover` offers."""

import errno
import logging
import os
import threading

import pytest

import shmutex
from processes import HOLD, die_holding
from shmutex import SharedMutex

KINDS = pytest.mark.parametrize(
    "kind",
    [{}, {"fair": True}, {"recursive": True}, {"recursive": True, "fair": True}],
    ids=["plain", "fair", "recursive", "recursive-fair"],
)


def enter(mutex):
    with mutex:
        pass


WAYS = pytest.mark.parametrize(
    "acquire",
    [
        enter,
        lambda mutex: mutex.acquire(),
        lambda mutex: mutex.acquire(False),
        lambda mutex: mutex.acquire(timeout=5),
        lambda mutex: mutex.lock(),
        lambda mutex: mutex._acquire_restore(1),
    ],
    ids=["with", "acquire", "try", "timed", "lock", "restore"],
)


@KINDS
@WAYS
def test_without_recover_it_is_never_entered(path, kind, acquire, caplog):
    mutex = SharedMutex(path, **kind)
    die_holding(path, **kind)
    for _ in range(3):  # the next one is told, too
        caplog.clear()
        with pytest.raises(shmutex.OwnerDiedError) as caught:
            acquire(mutex)
        assert caught.value.errno == errno.EOWNERDEAD and caught.value.filename == path
        assert not mutex.owned and not mutex.locked() and mutex.info().state == "owner-died"
        # Of this lock: those of earlier tests are collected, and closed, at any time.
        levels = [record.levelno for record in caplog.records if path in record.getMessage()]
        assert levels == [logging.WARNING, logging.WARNING]


@KINDS
@WAYS
def test_recover_is_called_with_the_lock_held(path, kind, acquire, caplog):
    calls = []

    def recover(mutex):
        calls.append((mutex, mutex.owned, mutex.depth))

    mutex = SharedMutex(path, recover=recover, **kind)
    die_holding(path, **kind)
    acquire(mutex)
    assert calls == [(mutex, True, 1)]
    if mutex.owned:
        mutex.release()
    assert mutex.info().state == "free" and mutex.info().recoveries == 1
    enter(mutex)
    assert len(calls) == 1
    assert "repaired" in caplog.text


@pytest.mark.parametrize("answer", [None, True, 0, "", []], ids=repr)
def test_every_answer_but_false_declares_the_data_consistent(path, answer):
    mutex = SharedMutex(path, recover=lambda mutex: answer)
    die_holding(path)
    with mutex:
        assert mutex.owned
    assert mutex.info().state == "free"


@KINDS
@WAYS
def test_false_poisons(path, kind, acquire, caplog):
    mutex = SharedMutex(path, recover=lambda mutex: False, **kind)
    die_holding(path, **kind)
    for _ in range(2):
        with pytest.raises(shmutex.NotRecoverableError) as caught:
            acquire(mutex)
        assert caught.value.errno == errno.ENOTRECOVERABLE
        assert not mutex.owned and mutex.info().state == "poisoned"
    assert "poisoned" in caplog.text
    mutex.unlink()


@KINDS
@WAYS
def test_an_exception_leaves_it_marked_and_propagates(path, kind, acquire, caplog):
    def recover(mutex):
        raise LookupError("no backup")

    mutex = SharedMutex(path, recover=recover, **kind)
    die_holding(path, **kind)
    for _ in range(2):
        with pytest.raises(LookupError, match="no backup"):
            acquire(mutex)
        assert not mutex.owned and not mutex.locked() and mutex.info().state == "owner-died"
    assert "no backup" in caplog.text


@KINDS
def test_accept(path, kind, caplog):
    mutex = SharedMutex(path, recover=shmutex.ACCEPT, **kind)
    die_holding(path, **kind)
    with mutex:
        assert mutex.owned
    assert mutex.info().state == "free" and "accepted" in caplog.text


def test_recover_may_say_it_itself(path):
    mutex = SharedMutex(path, recover=lambda mutex: mutex.consistent())
    die_holding(path)
    with mutex:
        pass
    assert mutex.info().recoveries == 1
    die_holding(path)
    poisoning = SharedMutex(path, recover=lambda mutex: mutex.poison())
    with pytest.raises(shmutex.NotRecoverableError):
        poisoning.acquire()
    assert not poisoning.owned


def test_recover_that_releases(path):
    mutex = SharedMutex(path, recover=lambda mutex: mutex.release())
    die_holding(path)
    with pytest.raises(shmutex.NotOwnerError):
        mutex.acquire()
    assert not mutex.owned and mutex.info().state == "owner-died"


def test_recover_cannot_close(path):
    mutex = SharedMutex(path, recover=lambda mutex: mutex.close())
    die_holding(path)
    with pytest.raises(shmutex.MutexError) as caught:
        mutex.acquire()
    assert caught.value.errno == errno.EBUSY and not mutex.owned and not mutex.closed


def test_an_exception_after_acquiring_more_deeply_releases_all(path):
    def recover(mutex):
        mutex.acquire()
        raise LookupError

    mutex = SharedMutex(path, recursive=True, recover=recover)
    die_holding(path, recursive=True)
    with pytest.raises(LookupError):
        mutex.acquire()
    assert not mutex.owned and mutex.info().state == "owner-died"


@KINDS
def test_a_waiter_gets_it_at_the_death(path, spawn, kind):
    mutex = SharedMutex(path, recover=shmutex.ACCEPT, **kind)
    holder = spawn(HOLD.replace("sys.argv[1]", f"sys.argv[1], **{kind!r}"), path).expect("held")
    results = []
    thread = threading.Thread(target=lambda: results.append((mutex.acquire(), mutex.release())))
    thread.start()
    while not mutex.info().waiters:
        pass
    holder.kill()
    thread.join()
    assert results == [(True, None)]


def test_thread_exit_is_a_death(path):
    mutex = SharedMutex(path)
    thread = threading.Thread(target=mutex.acquire)
    thread.start()
    tid = thread.native_id
    thread.join()
    while mutex.locked():  # join() returns a moment before the thread is gone
        pass
    with pytest.raises(shmutex.OwnerDiedError):
        mutex.acquire()
    assert mutex.info().last_dead_tid == tid
    mutex.unlink()


@pytest.mark.parametrize("end", ["sys.exit()", "os._exit(0)", "raise KeyError", "os.execv('/bin/true', ['true'])"])
def test_every_end_is_a_death(path, spawn, end):
    mutex = SharedMutex(path)
    spawn(f"m = shmutex.SharedMutex(sys.argv[1]); m.acquire(); {end}", path).finish()
    with pytest.raises(shmutex.OwnerDiedError):
        mutex.acquire()


def test_a_release_that_never_repaired_tells_the_next_one(path, spawn):
    """Two deaths, of which the second happens during the repair."""
    mutex = SharedMutex(path, recover=shmutex.ACCEPT)
    die_holding(path)
    spawn("m = shmutex.SharedMutex(sys.argv[1], recover=lambda m: os.kill(os.getpid(), 9)); m.acquire()", path).wait()
    assert mutex.info().state == "owner-died"
    with mutex:
        pass


def test_condition_wait_hears_of_a_death(path):
    mutex = SharedMutex(path, recursive=True)
    condition = threading.Condition(mutex)
    outcome = []

    def wait():
        try:
            with condition:
                outcome.append("waiting")
                condition.wait()
        except shmutex.OwnerDiedError:
            outcome.append("told")
        except shmutex.NotOwnerError as error:  # from __exit__
            outcome.append(type(error.__context__).__name__)

    thread = threading.Thread(target=wait)
    thread.start()
    while not outcome or mutex.locked():
        pass
    die_holding(path, recursive=True)
    for waiter in list(condition._waiters):
        waiter.release()
    thread.join()
    assert outcome == ["waiting", "OwnerDiedError"] and mutex.info().state == "owner-died"


def test_unlink_after_a_death(path):
    mutex = SharedMutex(path)
    die_holding(path)
    mutex.unlink()
    assert not os.path.exists(path)


class Meddling(logging.Handler):
    """A log handler that uses another mutex, and fails at it."""

    def __init__(self, path):
        super().__init__()
        self.other = SharedMutex(path)

    def emit(self, record):
        with pytest.raises(shmutex.NotOwnerError):
            self.other.release()
        with self.other:
            assert not self.other.acquire(timeout=0)


@WAYS
def test_log_handlers_that_use_mutexes(path, acquire):
    mutex = SharedMutex(path)
    die_holding(path)
    handler = Meddling(path + ".log")
    logging.getLogger("shmutex").addHandler(handler)
    try:
        with pytest.raises(shmutex.OwnerDiedError) as caught:
            acquire(mutex)
    finally:
        logging.getLogger("shmutex").removeHandler(handler)
        handler.other.unlink()
    assert path in str(caught.value) and "died inside" in str(caught.value)
    assert path + ".log" not in str(caught.value)


def test_recover_that_releases_says_so_in_its_own_words(path):
    other = SharedMutex(path + ".other")

    def recover(mutex):
        mutex.release()
        with other:
            assert not other.acquire(False)

    mutex = SharedMutex(path, recover=recover)
    die_holding(path)
    with pytest.raises(shmutex.NotOwnerError) as caught:
        mutex.acquire()
    assert path in str(caught.value) and ".other" not in str(caught.value)
    other.unlink()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of fork beside other threads
def test_a_fork_inside_recover_that_closes(path):
    """The child has none of its parent's calls; the mutex closed there is not taken for a repaired one."""
    children = []

    def recover(mutex):
        child = os.fork()
        if child == 0:
            mutex.close()
        else:
            children.append(child)

    mutex = SharedMutex(path, recover=recover)
    die_holding(path)
    parent = os.getpid()
    try:
        mutex.acquire()
    except BaseException as error:
        if os.getpid() != parent:
            os._exit(7 if isinstance(error, ValueError) and mutex.closed else 8)
        raise
    if os.getpid() != parent:
        os._exit(9)
    assert os.WEXITSTATUS(os.waitpid(children[0], 0)[1]) == 7
    assert mutex.owned and mutex.info().recoveries == 1
    mutex.release()
