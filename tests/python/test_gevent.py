"""Under gevent's monkey patch, where `threading` and `_thread` answer with greenlets."""

import signal
import sys

import pytest

from processes import PRELUDE, poll
from shmutex import SharedMutex

PATCH = "from gevent import monkey\nmonkey.patch_all()\n"
PRELUDES = {"patched before the import": PATCH + PRELUDE, "patched after it": PRELUDE + PATCH}
PATCHED = pytest.mark.parametrize("prelude", PRELUDES.values(), ids=list(PRELUDES))
KINDS = pytest.mark.parametrize("kind", ["", ", fair=True"], ids=["plain", "fair"])

if sys.version_info >= (3, 15):  # until there is a gevent for it; elsewhere requirements.txt brings it
    pytest.importorskip("gevent")

INTERRUPTED = """
mutex = shmutex.SharedMutex(sys.argv[1]{kind})
def wait():
    say('waiting')
    try:
        {way}
    except KeyboardInterrupt:
        say('interrupted', mutex.owned)
{call}
with mutex:
    say('acquired')
"""

CALLS = {
    "the main greenlet": "wait()",
    "another greenlet": "import gevent\nworker = gevent.spawn(wait)\nworker.join()",
    "a thread that is a greenlet": "worker = threading.Thread(target=wait)\nworker.start()\nworker.join()",
}


@PATCHED
@KINDS
@pytest.mark.parametrize("way", ["with mutex: pass", "mutex.acquire()", "mutex.acquire(timeout=1000)"])
def test_ctrl_c_ends_a_wait(path, spawn, prelude, kind, way):
    with SharedMutex(path, fair=bool(kind)) as mutex:
        code = INTERRUPTED.format(kind=kind, way=way, call="wait()")
        waiter = spawn(code, path, prelude=prelude).expect("waiting").wait_until_asleep()
        waiter.signal(signal.SIGINT)
        waiter.expect("interrupted False")
        assert mutex.owned
    waiter.expect("acquired")
    assert waiter.finish() == (0, "", "")


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_ctrl_c_in_any_greenlet_of_the_main_thread(path, spawn, call):
    with SharedMutex(path):
        code = INTERRUPTED.format(kind="", way="mutex.acquire()", call=call)
        waiter = spawn(code, path, prelude=PATCH + PRELUDE).expect("waiting").wait_until_asleep()
        waiter.signal(signal.SIGINT)
        waiter.expect("interrupted False")
    waiter.expect("acquired")


def test_a_real_thread_waits_on(path, spawn):
    """It is not the one that runs signal handlers, and keeps its place in the queue."""
    code = """
    import gevent
    mutex = shmutex.SharedMutex(sys.argv[1])
    def wait():
        with mutex: pass
        return 'acquired'
    result = gevent.get_hub().threadpool.spawn(wait)
    try:
        say('waiting')
        while True: gevent.sleep(0.01)
    except KeyboardInterrupt:
        say('interrupted')
    say(result.get())
    """
    with SharedMutex(path) as mutex:
        waiter = spawn(code, path, prelude=PATCH + PRELUDE).expect("waiting")
        poll(lambda: mutex.info().waiters)
        waiter.signal(signal.SIGINT)
        waiter.expect("interrupted")
    waiter.expect("acquired")


def test_greenlets_of_a_thread_are_one_owner(path, spawn):
    code = """
    import gevent
    mutex = shmutex.SharedMutex(sys.argv[1])
    def attempt():
        try:
            mutex.acquire()
        except shmutex.DeadlockError as error:
            say(type(error).__name__)
    with mutex:
        gevent.spawn(attempt).join()
    """
    spawn(code, path, prelude=PATCH + PRELUDE).expect("DeadlockError")
