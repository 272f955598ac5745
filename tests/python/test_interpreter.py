"""The interpreter's end, with threads still waiting; interpreters that are not supported."""

import random
import time

import pytest

import shmutex
from processes import poll
from shmutex import SharedMutex

BLOCKED = """
import logging
# Who is inside when the interpreter ends dies there. Nobody shall write to stderr just then: the stream's own lock would
# stay held, which CPython makes a fatal error.
logging.getLogger('shmutex').addFilter(lambda record: record.levelno >= logging.CRITICAL)
mutex = shmutex.SharedMutex(sys.argv[1], recover=shmutex.ACCEPT, **{kind!r})
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


AT_TEARDOWN = """
class Last:
    def __init__(self): self.mutex = shmutex.SharedMutex(sys.argv[1], **{kind!r})
    def __del__(self, write=os.write, finalizing=sys.is_finalizing, KeyboardInterrupt=KeyboardInterrupt):
        write(1, b'waiting\\n' if finalizing() else b'too early\\n')
        result = self.mutex.{acquire}
        write(1, b'%r %r\\n' % (result, self.mutex.owned))
        self.mutex.release()
last = Last()
"""


@pytest.mark.parametrize("kind", [{}, {"fair": True}], ids=["plain", "fair"])
@pytest.mark.parametrize("acquire", ["acquire()", "acquire(timeout=100)", "__enter__().owned", "_acquire_restore(1)"])
def test_a_wait_in_a_destructor_at_teardown(path, spawn, kind, acquire):
    """The thread that ends the interpreter waits as ever: what it acquires, it holds."""
    mutex = SharedMutex(path, **kind)
    with mutex:
        process = spawn(AT_TEARDOWN.format(kind=kind, acquire=acquire), path).expect("waiting")
        process.wait_until_asleep()
    assert process.hear().endswith(" True")
    assert process.finish() == (0, "", "")
    assert mutex.info().state == "free"


def test_what_a_destructor_leaves_held_at_teardown_is_reported(path, spawn):
    code = AT_TEARDOWN.format(kind={}, acquire="acquire()").replace("        self.mutex.release()\n", "")
    status, _, errors = spawn(code, path).finish()
    assert status == 0 and errors.count("\n") == 1 and path in errors and "held" in errors
    assert shmutex.inspect(path).state == "owner-died"


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
    ours = "refused: shmutex does not support subinterpreters; use it in the main interpreter"
    assert refused.startswith(ours), (out, errors)
    assert rest == ["main is well"] and status == 0, errors
