"""The interpreter's end, with threads still waiting; interpreters that are not supported."""

import random
import time

import pytest

import shmutex
from processes import poll
from shmutex import SharedMutex

BLOCKED = """
mutex = shmutex.SharedMutex(sys.argv[1], **{kind!r})
def wait():
    with mutex:
        time.sleep({inside})
for _ in range(4):
    threading.Thread(target=wait, daemon=True).start()
hear()
"""


@pytest.mark.parametrize("kind", [{}, {"fair": True}], ids=["plain", "fair"])
def test_exit_with_threads_blocked(path, spawn, kind):
    mutex = SharedMutex(path, **kind)
    with mutex:
        process = spawn(BLOCKED.format(kind=kind, inside=0), path)
        poll(lambda: mutex.info().waiters)
        assert process.tell().finish() == (0, "", "")
    with mutex:
        pass


@pytest.mark.parametrize("kind", [{}, {"fair": True}], ids=["plain", "fair"])
def test_exit_while_threads_get_the_lock(path, spawn, kind):
    mutex = SharedMutex(path, recover=shmutex.ACCEPT, **kind)
    for _ in range(10):
        mutex.acquire()
        process = spawn(BLOCKED.format(kind=kind, inside=0.0001), path)
        poll(lambda: mutex.info().waiters)
        process.tell()
        time.sleep(random.random() * 0.02)
        mutex.release()
        status, _, errors = process.finish()
        assert status == 0 and "Fatal" not in errors
    with mutex:
        pass


def test_exit_while_holding_with_threads_blocked(path, spawn):
    code = """
    mutex = shmutex.SharedMutex(sys.argv[1])
    mutex.acquire()
    for _ in range(4):
        threading.Thread(target=mutex.acquire, daemon=True).start()
    while not mutex.info().waiters: pass
    """
    mutex = SharedMutex(path)
    status, _, errors = spawn(code, path).finish()
    assert status == 0 and errors.count("\n") == 1 and "interpreter exits" in errors
    with pytest.raises(shmutex.OwnerDiedError):
        mutex.acquire()


def test_use_in_atexit_and_in_destructors(path, spawn):
    code = """
    import atexit
    class Last:
        def __init__(self): self.mutex = shmutex.SharedMutex(sys.argv[1])
        def __del__(self):
            with self.mutex: pass
    last = Last()
    atexit.register(lambda: last.mutex.acquire() and last.mutex.release())
    """
    assert spawn(code, path).finish() == (0, "", "")


SUBINTERPRETER = """
import sys
{first}
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
code = '''
import sys
sys.path[:] = {path!r}
try:
    import shmutex
except ImportError as error:
    print('refused:', error, flush=True)
else:
    print('imported', flush=True)
'''
sub = interpreters.create()
interpreters.run_string(sub, code)
interpreters.destroy(sub)
import shmutex
with shmutex.SharedMutex(sys.argv[1]): pass
print('main is well', flush=True)
"""


@pytest.mark.parametrize("first", ["", "import shmutex"], ids=["subinterpreter first", "main first"])
def test_a_subinterpreter_is_refused(path, spawn, first):
    import sys

    process = spawn(SUBINTERPRETER.format(first=first, path=sys.path), path, prelude="")
    status, out, errors = process.finish()
    refused, *rest = out.splitlines()
    assert refused.startswith("refused:") and "subinterpreters" in refused, (out, errors)
    assert rest == ["main is well"] and status == 0, errors
