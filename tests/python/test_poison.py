"""A lock whose data somebody gave up for lost: held until it is released, and never acquired again."""

import os
import threading

import pytest

import shmutex
from processes import poll
from shmutex import Owner, SharedMutex

KINDS = pytest.mark.parametrize("kind", [{}, {"fair": True}, {"recursive": True}], ids=["plain", "fair", "recursive"])


@KINDS
def test_held_and_poisoned(path, kind):
    mutex = SharedMutex(path, **kind)
    me = Owner(os.getpid(), threading.get_native_id())
    with mutex:
        mutex.poison()
        for info in (mutex.info(), shmutex.inspect(path)):
            assert (info.state, info.depth, info.owner) == ("poisoned", 1, me)
        assert mutex.owned and mutex.locked() and mutex.depth == 1 and mutex.owner == me
        assert repr(mutex).startswith("<poisoned ")
    for info in (mutex.info(), shmutex.inspect(path)):
        assert (info.state, info.depth, info.owner) == ("poisoned", 0, None)
    assert not mutex.owned and not mutex.locked() and mutex.depth == 0 and mutex.owner is None


@KINDS
def test_a_waiter_is_told(path, kind):
    mutex = SharedMutex(path, **kind)
    outcome = []

    def wait():
        try:
            mutex.acquire()
        except shmutex.NotRecoverableError:
            outcome.append("told")

    thread = threading.Thread(target=wait)
    with mutex:
        thread.start()
        poll(lambda: mutex.info().waiters)
        mutex.poison()
    thread.join()
    assert outcome == ["told"]


def test_poison_twice_and_consistent(mutex):
    with mutex:
        mutex.poison()
        mutex.poison()
        with pytest.raises(shmutex.NotRecoverableError):
            mutex.consistent()
        assert mutex.owned
