"""Ctrl-C and other signals: during a wait, before it, and at random."""

import errno
import os
import random
import signal
import time

import pytest

from processes import HOLD
from shmutex import SharedMutex

KINDS = pytest.mark.parametrize(
    "kind",
    [{}, {"fair": True}, {"recursive": True}, {"recursive": True, "fair": True}],
    ids=lambda kind: "-".join(kind) or "plain",
)
WAYS = pytest.mark.parametrize(
    "way", ["with mutex: pass", "mutex.acquire()", "mutex.acquire(timeout=1000)", "mutex.lock()"]
)

INTERRUPTED = """
mutex = shmutex.SharedMutex(sys.argv[1], {options})
say('waiting')
try:
    {way}
except KeyboardInterrupt:
    say('interrupted', mutex.owned)
hear()
with mutex:
    say('acquired')
"""


def options(kind):
    return ", ".join(f"{name}={value}" for name, value in kind.items())


@KINDS
@WAYS
def test_ctrl_c_ends_a_wait(path, spawn, kind, way):
    mutex = SharedMutex(path, **kind)
    with mutex:
        waiter = spawn(INTERRUPTED.format(options=options(kind), way=way), path).expect("waiting")
        waiter.wait_until_asleep()
        waiter.signal(signal.SIGINT)
        waiter.expect("interrupted False")
        assert mutex.owned
    waiter.tell().expect("acquired")
    assert waiter.finish()[0] == 0


@KINDS
def test_ctrl_c_that_nobody_catches(path, spawn, kind):
    with SharedMutex(path, **kind):
        waiter = spawn(f"shmutex.SharedMutex(sys.argv[1], {options(kind)}).acquire()", path).wait_until_asleep()
        waiter.signal(signal.SIGINT)
        status, _, errors = waiter.finish()
    assert status != 0 and "KeyboardInterrupt" in errors
    assert SharedMutex(path, **kind).info().state == "free"


HANDLERS = """
count = 0
def handler(*_):
    global count
    count += 1
    say('handled')
signal.signal(signal.SIGUSR1, handler)
mutex = shmutex.SharedMutex(sys.argv[1], {options})
start = time.monotonic()
say('waiting')
result = mutex.acquire(timeout=1.5)
say(result, time.monotonic() - start >= 1.5, count)
"""

SIGNALS_WITHOUT_END = """
count = 0
def handler(*_):
    global count
    count += 1
signal.signal(signal.SIGUSR1, handler)
main = threading.get_ident()
def disturb():
    while True:
        time.sleep(0.2)
        signal.pthread_kill(main, signal.SIGUSR1)
mutex = shmutex.SharedMutex(sys.argv[1], {options})
threading.Thread(target=disturb, daemon=True).start()
start = time.monotonic()
result = mutex.acquire(timeout=1.5)
say(result, time.monotonic() - start >= 1.5, count >= 3)
os._exit(0)
"""


@KINDS
def test_other_handlers_run_and_the_deadline_stands(path, spawn, kind):
    """A deadline that each signal puts off would never come."""
    with SharedMutex(path, **kind):
        spawn(SIGNALS_WITHOUT_END.format(options=options(kind)), path).expect("False True True")


def test_other_handlers_do_not_end_a_wait(path, spawn):
    code = HANDLERS.replace("mutex.acquire(timeout=1.5)", "mutex.acquire()").format(options="")
    with SharedMutex(path):
        waiter = spawn(code, path).expect("waiting")
        for _ in range(5):
            waiter.wait_until_asleep()
            waiter.signal(signal.SIGUSR1)
            waiter.expect("handled")
    assert waiter.hear().startswith("True")


def test_a_handler_may_raise_what_it_likes(path, spawn):
    code = """
    class Stop(Exception): pass
    def handler(*_): raise Stop
    signal.signal(signal.SIGALRM, handler)
    mutex = shmutex.SharedMutex(sys.argv[1])
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        mutex.acquire()
    except Stop:
        say('stopped', mutex.owned)
    """
    with SharedMutex(path):
        spawn(code, path).expect("stopped False")


def test_a_thread_that_is_not_the_main_one_waits_on(path, spawn):
    code = """
    mutex = shmutex.SharedMutex(sys.argv[1])
    thread = threading.Thread(target=lambda: say(mutex.acquire()), daemon=True)
    thread.start()
    try:
        say('waiting')
        while True: time.sleep(0.01)
    except KeyboardInterrupt:
        say('interrupted')
    thread.join()
    """
    mutex = SharedMutex(path)
    with mutex:
        waiter = spawn(code, path).expect("waiting")
        while not mutex.info().waiters:
            pass
        waiter.signal(signal.SIGINT)
        waiter.expect("interrupted")
    waiter.expect("True")


def test_ctrl_c_after_a_fork_from_another_thread(path, spawn):
    """The forking thread becomes the child's main thread."""
    code = """
    mutex = shmutex.SharedMutex(sys.argv[1])
    def fork():
        if os.fork() == 0:
            say(os.getpid())
            try:
                mutex.acquire()
            except KeyboardInterrupt:
                say('interrupted', mutex.owned)
                os._exit(0)
            os._exit(1)
    thread = threading.Thread(target=fork)
    thread.start()
    thread.join()
    say(os.waitstatus_to_exitcode(os.wait()[1]) if hasattr(os, 'waitstatus_to_exitcode') else os.wait()[1])
    """
    with SharedMutex(path):
        parent = spawn(code, path)
        child = int(parent.hear())
        while not SharedMutex(path).info().waiters:
            pass
        os.kill(child, signal.SIGINT)
        parent.expect("interrupted False")
        parent.expect("0")


CONTENDER = """
import random
mutex = shmutex.SharedMutex(sys.argv[1], {options})
say('ready')
while True:
    with mutex:
        time.sleep(random.random() * 0.002)
"""

RANDOM = """
mutex = shmutex.SharedMutex(sys.argv[1], {options})
rounds = 0
held_when_it_raised = False
def watch(frame, event, what):
    global held_when_it_raised
    if event == 'c_exception' and what.__name__ == 'acquire':
        held_when_it_raised = mutex.owned
# Where the test itself must not be interrupted, the signal is blocked; the next one is sent when this one was reported.
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
say('ready')
for _ in range({signals}):
    if {profiled}:
        sys.setprofile(watch)  # anew, as Python drops it if the signal comes while it runs
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        while True:
            {body}
            rounds += 1
    except KeyboardInterrupt:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    sys.setprofile(None)
    owned = held_when_it_raised or mutex.owned
    # Python itself may be interrupted between acquire() and release(); until 3.10 also just before __exit__.
    if mutex.owned and ({profiled} or sys.version_info < (3, 10)):
        mutex.release()
        owned = held_when_it_raised
    say(owned)
say('done')
"""

# How, and whether to look at each acquire() that raises, since Python itself may be interrupted with the lock held.
BODIES = {
    "with": ("with mutex: pass", False),
    "timed": ("mutex.acquire(timeout=50) and mutex.release()", True),
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("kind", [{}, {"fair": True}], ids=["plain", "fair"])
def test_ctrl_c_at_random_moments_1000_times(path, spawn, kind, body):
    contender = spawn(CONTENDER.format(options=options(kind)), path).expect("ready")
    code, profiled = BODIES[body]
    waiter = spawn(RANDOM.format(options=options(kind), body=code, profiled=profiled, signals=1000), path).expect(
        "ready"
    )
    for _ in range(1000):
        time.sleep(random.random() * 0.003)
        waiter.signal(signal.SIGINT)
        waiter.expect("False")
    waiter.expect("done")
    contender.kill()
    with SharedMutex(path, **kind, recover=lambda mutex: None):
        pass


def test_ctrl_c_while_the_lock_is_handed_over(path, spawn):
    """The signal and the release come together: either way, nothing is left held."""
    mutex = SharedMutex(path)
    code = RANDOM.format(options="", body="with mutex: pass", profiled=False, signals=200)
    mutex.acquire()
    waiter = spawn(code, path).expect("ready")
    for _ in range(200):
        waiter.wait_until_asleep()
        mutex.release()
        waiter.signal(signal.SIGINT)
        waiter.expect("False")
        mutex.acquire()
    mutex.release()
    waiter.expect("done")


def test_a_pending_ctrl_c_wins_over_the_wait(path, spawn):
    code = """
    mutex = shmutex.SharedMutex(sys.argv[1])
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    os.kill(os.getpid(), signal.SIGINT)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT]), mutex.acquire()
    except KeyboardInterrupt:
        say('interrupted', mutex.owned)
    """
    holder = spawn(HOLD, path).expect("held")
    spawn(code, path).expect("interrupted False")
    holder.tell().expect("released")


def test_the_watch_on_acquire_works(path, spawn):
    """The profile function of the test at random moments is called when acquire() raises."""
    code = """
    mutex = shmutex.SharedMutex(sys.argv[1])
    seen = []
    sys.setprofile(lambda frame, event, what: event == 'c_exception' and seen.append(what.__name__))
    try:
        mutex.acquire(timeout=50)
    except KeyboardInterrupt:
        pass
    sys.setprofile(None)
    say('acquire' in seen)
    """
    with SharedMutex(path):
        waiter = spawn(code, path).wait_until_asleep()
        waiter.signal(signal.SIGINT)
        waiter.expect("True")


HANDLER_THAT = """
mutex = shmutex.SharedMutex(sys.argv[1], {options})
def handler(*_):
    {body}
signal.signal(signal.SIGUSR1, handler)
say('waiting')
mutex.acquire()
say('acquired', mutex.depth)
mutex.release()
hear()
"""


@KINDS
def test_a_handler_that_tries_the_same_mutex(path, spawn, kind):
    body = "say('tried', mutex.acquire(False), mutex.acquire(timeout=0), mutex.acquire(timeout=0.01), mutex.owned)"
    with SharedMutex(path, **kind):
        waiter = spawn(HANDLER_THAT.format(options=options(kind), body=body), path).expect("waiting")
        for _ in range(3):
            waiter.wait_until_asleep()
            waiter.signal(signal.SIGUSR1)
            waiter.expect("tried False False False False")
    waiter.expect("acquired 1")


@KINDS
def test_a_handler_that_acquires_the_same_mutex(path, spawn, kind):
    """It waits inside the wait; both get the lock, one after the other."""
    body = "say('handling'); mutex.acquire(); say('handled'); mutex.release()"
    with SharedMutex(path, **kind):
        waiter = spawn(HANDLER_THAT.format(options=options(kind), body=body), path).expect("waiting")
        waiter.wait_until_asleep()
        waiter.signal(signal.SIGUSR1)
        waiter.expect("handling").wait_until_asleep()
    waiter.expect("handled").expect("acquired 1")


def test_a_handler_that_keeps_the_lock(path, spawn):
    """The wait that it interrupted would wait for its own thread."""
    tolerant = "try: mutex.acquire()\nexcept RuntimeError as error: say(type(error).__name__)\n"
    code = HANDLER_THAT.replace("mutex.acquire()\n", tolerant)
    body = "say('handling'); mutex.lock(); say('handled')"
    with SharedMutex(path):
        waiter = spawn(code.format(options="", body=body), path).expect("waiting")
        waiter.wait_until_asleep()
        waiter.signal(signal.SIGUSR1)
        waiter.expect("handling").wait_until_asleep()
    waiter.expect("handled").expect("DeadlockError").expect("acquired 1")


@KINDS
def test_a_handler_that_closes_the_mutex(path, spawn, kind):
    """Refused, as it would be in another thread."""
    body = """
    try: mutex.close()
    except shmutex.MutexError as error: say(error.errno)
    """
    with SharedMutex(path, **kind):
        waiter = spawn(HANDLER_THAT.format(options=options(kind), body=body), path).expect("waiting")
        waiter.wait_until_asleep()
        waiter.signal(signal.SIGUSR1)
        waiter.expect(str(errno.EBUSY))
    waiter.expect("acquired 1")


def test_a_handler_that_forks_and_closes(path, spawn):
    """In the child nobody waits but that very thread: its wait ends with the mutex closed."""
    code = """
    mutex = shmutex.SharedMutex(sys.argv[1])
    child = None
    def handler(*_):
        global child
        child = os.fork()
        if child == 0: mutex.close()
    signal.signal(signal.SIGUSR1, handler)
    say('waiting')
    try:
        mutex.acquire()
    except ValueError:
        os._exit(7 if mutex.closed and child == 0 else 8)
    say('acquired', os.WEXITSTATUS(os.waitpid(child, 0)[1]))
    """
    with SharedMutex(path):
        waiter = spawn(code, path).expect("waiting")
        waiter.wait_until_asleep()
        waiter.signal(signal.SIGUSR1)
        waiter.wait_until_asleep()
    waiter.expect("acquired 7")
