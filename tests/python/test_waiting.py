"""Waits release the GIL, timeouts hold, and a mutex cannot be closed under those who wait."""

import errno
import threading
import time

import pytest

import shmutex
from processes import HOLD, poll
from shmutex import SharedMutex

KINDS = pytest.mark.parametrize("kind", [{}, {"fair": True}], ids=["plain", "fair"])
WAYS = pytest.mark.parametrize(
    "wait",
    [lambda m: m.acquire(), lambda m: m.acquire(timeout=100), lambda m: m.lock(), lambda m: m.__enter__()],
    ids=["acquire", "timed", "lock", "enter"],
)


@KINDS
@WAYS
def test_other_threads_run_during_a_wait(path, kind, wait):
    mutex = SharedMutex(path, **kind)
    mutex.acquire()
    thread = threading.Thread(target=lambda: (wait(mutex), mutex.release()))
    thread.start()
    poll(lambda: mutex.info().waiters)  # never, if the waiting thread had kept the GIL
    mutex.release()
    thread.join()
    assert not mutex.locked()


@KINDS
def test_other_threads_run_during_the_main_threads_wait(path, spawn, kind):
    code = f"""
    mutex = shmutex.SharedMutex(sys.argv[1], **{kind!r})
    def count():
        hear()
        say('running')
    threading.Thread(target=count).start()
    say('waiting')
    mutex.acquire()
    say('acquired')
    """
    with SharedMutex(path, **kind):
        waiter = spawn(code, path).expect("waiting")
        waiter.wait_until_asleep()
        waiter.tell().expect("running")
    waiter.expect("acquired")


def test_a_timeout_of_the_main_thread_spans_slices(mutex, spawn):
    holder = spawn(HOLD, mutex.path).expect("held")
    for timeout in (0.05, 0.1, 0.35):
        start = time.monotonic()
        assert mutex.acquire(timeout=timeout) is False
        assert time.monotonic() - start >= timeout
    holder.tell()
    assert mutex.acquire(timeout=100)
    mutex.release()


def test_fair_waiters_are_served_in_order(path):
    mutex = SharedMutex(path, fair=True)
    order = []

    def take(number):
        with mutex:
            order.append(number)

    threads = []
    mutex.acquire()
    for number in range(6):
        thread = threading.Thread(target=take, args=(number,))
        thread.start()
        threads.append(thread)
        # Its kernel wait channel says when it has joined the queue.
        poll(lambda: wait_channel(thread.native_id).startswith(("futex", "rt_mutex", "__rt_mutex")))
    mutex.release()
    for thread in threads:
        thread.join()
    assert order == list(range(6))


def wait_channel(tid):
    """Empty unless it sleeps in the kernel in a priority-inheritance futex."""
    with open(f"/proc/self/task/{tid}/syscall") as file:
        words = file.read().split()
    pi_commands = (6, 13)  # FUTEX_LOCK_PI, FUTEX_LOCK_PI2
    if len(words) > 2 and words[0] in ("202", "98") and int(words[2], 16) & 0x7F in pi_commands:
        return "futex"
    return ""


@KINDS
def test_close_while_another_thread_waits(path, kind):
    mutex = SharedMutex(path, **kind)
    other_handle = SharedMutex(path, **kind)
    mutex.acquire()
    thread = threading.Thread(target=lambda: (mutex.acquire(), mutex.release()))
    thread.start()
    poll(lambda: mutex.info().waiters)
    with pytest.raises(shmutex.MutexError, match="another thread") as caught:
        mutex.close()
    assert caught.value.errno == errno.EBUSY and caught.value.filename == path and not mutex.closed
    mutex.release()
    thread.join()
    mutex.close()
    other_handle.close()


def test_removed_while_waiting(path, spawn):
    """Whoever waits when the lock is removed is told."""
    mutex = SharedMutex(path)
    removed = []

    def remove():
        while True:
            try:
                mutex.unlink()
            except shmutex.MutexError as error:
                if error.errno != errno.EBUSY:
                    raise
            else:
                return removed.append(True)

    threads = [threading.Thread(target=remove)]
    outcomes = []

    def use():
        try:
            while True:
                with mutex:
                    time.sleep(0.0005)
        except shmutex.RemovedError:
            outcomes.append("told")

    threads += [threading.Thread(target=use) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert removed == [True] and outcomes == ["told"] * 3


def test_parsing_a_timeout_may_close_the_mutex(path):
    mutex = SharedMutex(path)

    class Sly:
        def __float__(self):
            mutex.close()
            return 1.0

    with pytest.raises(ValueError, match="closed"):
        mutex.acquire(timeout=Sly())
