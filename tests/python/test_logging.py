"""What the logger `shmutex` says, and when."""

import gc
import logging
import multiprocessing
import subprocess
import sys

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
