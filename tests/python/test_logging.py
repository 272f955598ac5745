"""What the logger `shmutex` says, and when."""

import gc
import logging

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


def test_a_death(path, spawn, caplog):
    mutex = SharedMutex(path, recover=lambda mutex: None)
    die_holding(spawn, path)
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


def test_a_handler_that_fails_does_not_leave_the_lock_held(path, spawn, monkeypatch):
    mutex = SharedMutex(path, recover=shmutex.ACCEPT)
    die_holding(spawn, path)

    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(logging.getLogger("shmutex"), "warning", fail)
    with pytest.raises(MemoryError):
        mutex.acquire()
    assert not mutex.owned and mutex.info().state == "owner-died"
    poll(lambda: not mutex.locked())
