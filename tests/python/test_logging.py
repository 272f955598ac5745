"""What the logger `shmutex` says, and when."""

import functools
import gc
import logging
import mmap
import multiprocessing
import os
import subprocess
import sys
import threading
import time

import pytest

import shmutex
from processes import die_holding, poll
from shmutex import SharedMutex


def said(caplog, level):
    return [record.getMessage() for record in caplog.records if record.name == "shmutex" and record.levelno == level]


def test_create_open_close(path, caplog):
    caplog.set_level(logging.DEBUG, "shmutex")
    SharedMutex(path).close()
    SharedMutex(path).close()
    assert said(caplog, logging.DEBUG) == [f"{path}: {what}" for what in ("created", "closed", "opened", "closed")]


def test_a_collected_mutex_is_closed(path, caplog):
    SharedMutex(path)
    assert said(caplog, logging.DEBUG) == [f"{path}: created", f"{path}: closed"]
    assert not said(caplog, logging.CRITICAL)


def test_collected_while_held(path, caplog):
    mutex = SharedMutex(path)
    mutex.acquire()
    del mutex
    gc.collect()
    (message,) = said(caplog, logging.CRITICAL)
    assert path in message and "held" in message
    assert shmutex.inspect(path).state == "held"
    again = SharedMutex(path)  # the mapping was kept
    assert again.owned
    again.release()


def test_collected_while_another_handle_is_open(path, caplog):
    mutex, other = SharedMutex(path), SharedMutex(path)
    mutex.acquire()
    del mutex
    assert not said(caplog, logging.CRITICAL)
    other.release()


def test_a_death(path, caplog):
    mutex = SharedMutex(path, recover=lambda mutex: None)
    die_holding(path)
    with mutex:
        pass
    died, outcome = said(caplog, logging.WARNING)
    assert path in died and str(mutex.info().last_dead_tid) in died and "repaired" in outcome


EXIT = """
import logging
mutex = shmutex.SharedMutex(sys.argv[1])
mutex.acquire()
{more}
"""


@pytest.mark.parametrize("end", ["", "sys.exit(0)", "raise KeyError", "del mutex"])
def test_exit_while_held(path, spawn, end):
    _, _, errors = spawn(EXIT.format(more=end), path).finish()
    lines = [line for line in errors.splitlines() if path in line]
    assert len(lines) == 1 and "held" in lines[0]
    assert shmutex.inspect(path).state == "owner-died"


BUFFER = """
import mmap
mutex = shmutex.SharedMutex.from_buffer(mmap.mmap(-1, 4096))
mutex.acquire()
"""


@pytest.mark.parametrize(
    "code",
    [
        EXIT.format(more="mutex.poison()"),
        EXIT.format(more="same = shmutex.SharedMutex(sys.argv[1]); other = shmutex.SharedMutex(sys.argv[1].encode())"),
        BUFFER,
        BUFFER + "mutex.poison()",
        EXIT.format(more="thread = threading.Thread(target=time.sleep, args=(0.01,)); thread.start()"),
        EXIT.format(more="import multiprocessing.util"),
    ],
    ids=["poisoned", "three objects", "buffer", "poisoned buffer", "a thread", "multiprocessing"],
)
def test_exit_while_held_says_so_once(path, spawn, code):
    status, _, errors = spawn(code, path).finish()
    (line,) = errors.splitlines()
    assert status == 0 and "interpreter exits while its lock is held" in line


WORKER = """
{before}
import multiprocessing
def work(path, inside):
    import shmutex
    global mutex
    mutex = shmutex.SharedMutex(path)
    mutex.acquire()
    if not inside: mutex.release()
if __name__ == "__main__":
    import sys
    path, method, inside = sys.argv[1], sys.argv[2], int(sys.argv[3])
    context = multiprocessing.get_context(method)
    worker = context.Process(target=work, args=(path, inside))
    worker.start()
    worker.join()
    assert worker.exitcode == 0
"""


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
@pytest.mark.parametrize("before", ["", "import shmutex"], ids=["imported by the worker", "imported by all"])
@pytest.mark.parametrize("inside", [1, 0], ids=["held", "released"])
def test_a_worker_of_multiprocessing_ends(path, tmp_path, method, before, inside):
    script = tmp_path / "program.py"
    script.write_text(WORKER.format(before=before))
    done = subprocess.run(
        [sys.executable, str(script), path, method, str(inside)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if path in line]
    assert len(lines) == inside and all("interpreter exits" in line for line in lines), done.stderr
    assert shmutex.inspect(path).state == ("owner-died" if inside else "free")


def test_a_workers_worker(path, tmp_path):
    script = tmp_path / "program.py"
    script.write_text(
        WORKER.format(before="import shmutex").replace(
            "    mutex.acquire()\n",
            "    if inside == 1:\n"
            "        child = multiprocessing.get_context('fork').Process(target=work, args=(path, 2))\n"
            "        child.start(); child.join()\n"
            "        return\n"
            "    mutex.acquire()\n",
        )
    )
    done = subprocess.run([sys.executable, str(script), path, "fork", "1"], capture_output=True, text=True, timeout=120)
    assert done.stderr.count(path) == 1, done.stderr
    assert shmutex.inspect(path).state == "owner-died"


def test_exit_while_nothing_is_held(path, spawn):
    assert spawn(EXIT.format(more="mutex.release()"), path).finish() == (0, "", "")


def test_exit_while_another_process_holds_it(path, spawn):
    with SharedMutex(path):
        assert spawn("mutex = shmutex.SharedMutex(sys.argv[1])", path).finish() == (0, "", "")


def test_exit_of_a_forked_child_whose_parent_holds_it(path, spawn):
    code = EXIT.format(more="child = os.fork()\nif child: os.waitpid(child, 0); mutex.release()")
    assert spawn(code, path).finish() == (0, "", "")


def test_default_logging(path, spawn):
    code = """
    import logging
    shmutex.configure_default_logging()
    shmutex.configure_default_logging()
    logging.getLogger('shmutex').setLevel(logging.DEBUG)
    shmutex.SharedMutex(sys.argv[1])
    """
    _, _, errors = spawn(code, path).finish()
    created, closed = errors.splitlines()
    assert "DEBUG shmutex: " + path + ": created" in created and "closed" in closed


@pytest.mark.parametrize("how", ["removed", "replaced", "moved"])
@pytest.mark.parametrize("thread", [False, True], ids=["main thread", "another thread"])
@pytest.mark.parametrize("kind", [{}, {"fair": True}], ids=["plain", "fair"])
def test_a_wait_warns_once_of_a_path_that_leads_elsewhere(path, spawn, caplog, how, thread, kind):
    mutex = SharedMutex(path, **kind)
    spawn(f"m = shmutex.SharedMutex(sys.argv[1], **{kind!r}); m.acquire(); say('held'); hear()", path).expect("held")
    os.rename(path, path + ".old")
    if how == "removed":
        os.unlink(path + ".old")
    elif how == "replaced":
        SharedMutex(path, **kind)
    for _ in range(2):
        waits = threading.Thread(target=mutex.acquire, kwargs={"timeout": 0.01}) if thread else None
        if thread:
            waits.start()
            waits.join()
        else:
            assert not mutex.acquire(timeout=0.01)
    (message,) = said(caplog, logging.WARNING)
    assert message.startswith(path + ": its path no longer leads to this lock") and mutex.info().links == 0
    if how != "removed":
        os.unlink(path + ".old")


def test_a_wait_warns_of_a_path_that_is_lost_meanwhile(path, spawn):
    """And goes on."""
    with SharedMutex(path) as mutex:
        waiter = spawn("shmutex.SharedMutex(sys.argv[1]).acquire()\nsay('acquired')", path)
        poll(lambda: mutex.info().waiters)
        os.unlink(path)
        assert "its path no longer leads to this lock" in waiter.process.stderr.readline()
    waiter.expect("acquired")


def test_no_warning_where_the_path_leads_to_the_lock(path, caplog, tmp_path):
    """By another name, after the working directory has changed, of a buffer, of a lock that was removed as it should be."""
    os.symlink("/dev/shm", tmp_path / "link")
    other = SharedMutex(str(tmp_path / "link" / os.path.basename(path)))
    memory = SharedMutex.from_buffer(mmap.mmap(-1, mmap.PAGESIZE))
    for mutex in (other, memory):
        done = []
        with mutex:
            thread = threading.Thread(target=lambda m=mutex: done.append(m.acquire(timeout=0.01)))
            thread.start()
            thread.join()
        assert done == [False]
    other.unlink()
    with pytest.raises(shmutex.RemovedError):
        other.acquire()
    assert not said(caplog, logging.WARNING)


class Through(logging.Handler):
    """A log handler that writes under a lock."""

    def __init__(self, mutex):
        super().__init__()
        self.mutex, self.written, self.failed = mutex, [], []

    def emit(self, record):
        self.written.append(record.getMessage())

    def handle(self, record):
        try:
            with self.mutex() if callable(self.mutex) else self.mutex:
                return super().handle(record)
        except OSError as error:
            self.failed.append(type(error))


@pytest.fixture
def install():
    """install(handler): on the logger `shmutex`, for this test."""
    log, installed = logging.getLogger("shmutex"), []

    def add(handler):
        installed.append(handler)
        log.addHandler(handler)
        return handler

    log.setLevel(logging.WARNING)
    yield add
    for handler in installed:
        log.removeHandler(handler)


def outcomes(path, *outcome):
    """What is logged about a lock whose owner died, each time once."""
    return [f"{path}: {text}" for text in ("its owner", *outcome)]


def shortened(messages):
    return [message.split(" (thread")[0] for message in messages]


REPAIRED, ACCEPTED = "repaired by its recovery function", "accepted without repair"
LEFT, POISONED = "no recovery function; released, still marked", "its recovery function gave it up; poisoned"


def fail(mutex):
    raise KeyError


VERDICTS = pytest.mark.parametrize(
    "recover, outcome, error",
    [
        (lambda mutex: None, REPAIRED, None),
        (shmutex.ACCEPT, ACCEPTED, None),
        (None, LEFT, shmutex.OwnerDiedError),
        (lambda mutex: False, POISONED, shmutex.NotRecoverableError),
        (fail, "its recovery function raised KeyError(); released, still marked", KeyError),
    ],
    ids=["repaired", "accepted", "left", "poisoned", "raised"],
)
ACQUIRES = {
    "with": lambda mutex: mutex.__enter__() and mutex.__exit__(None, None, None),
    "acquire": lambda mutex: mutex.acquire() and mutex.release(),
    "condition": lambda mutex: mutex.acquire() and mutex._release_save(),
}


@VERDICTS
@pytest.mark.parametrize("way", ACQUIRES)
def test_a_handler_with_a_lock_of_its_own(path, install, recover, outcome, error, way):
    """Whose owner has died, too."""
    SharedMutex(path), SharedMutex(path + "2")
    die_holding(path)
    die_holding(path + "2")
    handler = install(Through(SharedMutex(path + "2", recover=shmutex.ACCEPT)))
    mutex = SharedMutex(path, recover=recover)
    if error is None:
        ACQUIRES[way](mutex)
    else:
        with pytest.raises(error):
            ACQUIRES[way](mutex)
    assert not mutex.owned and handler.failed == []
    assert shortened(handler.written) == outcomes(path, outcome) + outcomes(path + "2", ACCEPTED)
    handler.mutex.unlink()


@pytest.mark.parametrize("recursive", [False, True], ids=["plain", "recursive"])
@pytest.mark.parametrize("same", ["the mutex", "another object", "one opened each time"])
@pytest.mark.parametrize("way", ACQUIRES)
def test_a_handler_with_the_same_lock(path, install, recursive, same, way):
    mutex = SharedMutex(path, recursive=recursive, recover=shmutex.ACCEPT)
    die_holding(path, recursive=recursive)
    open_it = functools.partial(SharedMutex, path, recursive=recursive)
    handler = install(Through({"the mutex": mutex, "another object": open_it(), "one opened each time": open_it}[same]))
    ACQUIRES[way](mutex)
    assert not mutex.owned and handler.failed == []
    assert shortened(handler.written) == outcomes(path, ACCEPTED)


def test_a_handler_whose_own_record_meets_the_death(path, install):
    """The program logs something; writing that is what finds the owner dead."""
    SharedMutex(path)
    die_holding(path)
    handler = install(Through(SharedMutex(path, recover=shmutex.ACCEPT)))
    logging.getLogger("shmutex").warning("of the program")
    assert handler.failed == []
    assert sorted(shortened(handler.written)) == sorted(["of the program"] + outcomes(path, ACCEPTED))


def test_a_handler_whose_lock_nobody_repairs(path, install):
    """It fails at each record, and that is all."""
    mutex = SharedMutex(path)
    die_holding(path)
    handler = install(Through(mutex))
    with pytest.raises(shmutex.OwnerDiedError):
        mutex.acquire()
    assert mutex.info().state == "owner-died" and handler.written == []
    assert set(handler.failed) == {shmutex.OwnerDiedError} and len(handler.failed) <= 6


def test_a_handler_that_opens_its_lock_each_time(path, install):
    """Opening and closing are logged, too, at the level DEBUG."""
    logging.getLogger("shmutex").setLevel(logging.DEBUG)
    handler = install(Through(lambda: SharedMutex(path + "2")))
    SharedMutex(path).close()
    assert handler.written == [f"{path}: created", f"{path}: closed"] and handler.failed == []
    shmutex.unlink(path + "2")


def test_what_is_logged_late_says_when_and_where(path, caplog):
    mutex, other = SharedMutex(path, recover=shmutex.ACCEPT), SharedMutex(path)
    die_holding(path)
    frame = sys._getframe()
    line = frame.f_lineno + 1
    mutex.acquire()
    after = time.time()
    assert not said(caplog, logging.WARNING)
    other.release()
    died, outcome = [record for record in caplog.records if record.levelno == logging.WARNING]
    for record in (died, outcome):
        assert (record.pathname, record.lineno, record.funcName) == (__file__, line, frame.f_code.co_name)
        assert record.created <= after and record.threadName == threading.current_thread().name


@pytest.mark.parametrize(
    "end, times",
    [
        ("", 1),
        ("del mutex", 1),
        ("os.fork() or mutex.release() or sys.exit()\nos.wait()", 1),
        ("os.fork() and (os.wait(), mutex.release())", 1),
    ],
)
def test_what_is_kept_back_is_logged_once_in_the_end(path, spawn, end, times):
    SharedMutex(path)
    die_holding(path)
    code = f"""
mutex = shmutex.SharedMutex(sys.argv[1], recover=shmutex.ACCEPT)
mutex.acquire()
{end}
"""
    _, _, errors = spawn(code, path).finish()
    assert errors.count("accepted without repair") == times, errors


def test_closing_one_of_two_keeps_its_records(path, caplog):
    mutex, other = SharedMutex(path, recover=shmutex.ACCEPT), SharedMutex(path)
    die_holding(path)
    mutex.acquire()
    mutex.close()
    assert not said(caplog, logging.WARNING)
    other.release()
    assert shortened(said(caplog, logging.WARNING)) == outcomes(path, ACCEPTED)


@VERDICTS
def test_a_handler_that_fails_changes_nothing(path, install, capsys, recover, outcome, error):
    mutex = SharedMutex(path, recover=recover)
    die_holding(path)

    class Failing(logging.Handler):
        def emit(self, record):
            raise MemoryError

    install(Failing())
    if error is None:
        with mutex:
            assert mutex.owned
    else:
        with pytest.raises(error):
            mutex.acquire()
    assert not mutex.owned and not mutex.locked() or mutex.info().state == "poisoned"
    assert capsys.readouterr().err.count("MemoryError") >= 2


@VERDICTS
def test_ctrl_c_in_a_handler(path, install, recover, outcome, error):
    """It is raised, with the lock released, and all handlers have heard of all records."""
    mutex = SharedMutex(path, recover=recover)
    die_holding(path)
    heard = []

    class Interrupted(logging.Handler):
        def emit(self, record):
            heard.append(record.getMessage())
            raise KeyboardInterrupt

    install(Interrupted())
    with pytest.raises(KeyboardInterrupt):
        with mutex:
            assert not heard
    assert not mutex.owned and shortened(heard) == outcomes(path, outcome)
