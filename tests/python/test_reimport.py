"""A package that a program drops and imports again, or reloads: one set of classes, and nothing left of the rest."""

import pytest

DROP = """
import gc, importlib, logging
def drop(names=None):
    for name in [each for each in sys.modules if each.split('.')[0] == 'shmutex']:
        if names is None or name in names:
            del sys.modules[name]
def again():
    {again}
    return importlib.import_module('shmutex')
"""

WAYS = {
    "all modules dropped": "drop()",
    "the package dropped": "drop({'shmutex'})",
    "its Python half dropped": "drop({'shmutex', 'shmutex._support'})",
    "its extension module dropped": "drop({'shmutex', 'shmutex._shmutex'})",
    "the package reloaded": "importlib.reload(sys.modules['shmutex'])",
    "its Python half reloaded": "importlib.reload(sys.modules['shmutex._support'])",
    "both reloaded": "[importlib.reload(sys.modules[name]) for name in ('shmutex._support', 'shmutex')]",
    "dropped and reloaded": "drop(); import shmutex; importlib.reload(sys.modules['shmutex._support'])",
}
EACH_WAY = pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))


def run(spawn, path, way, code):
    return spawn(DROP.format(again=way) + code, path).finish()


@EACH_WAY
def test_old_and_new_catch_what_old_and_new_raise(path, spawn, way):
    code = """
old = shmutex
first = old.SharedMutex(sys.argv[1])
for _ in range(3):
    new = again()
    for module in (old, new):
        for mutex in (first, module.SharedMutex(sys.argv[1])):
            for expected in (old.NotOwnerError, new.NotOwnerError, old.MutexError, new.MutexError):
                try:
                    mutex.release()
                except expected as error:
                    assert type(error) is new.NotOwnerError is old.NotOwnerError
            assert isinstance(mutex, old.SharedMutex) and isinstance(mutex, new.SharedMutex)
            assert type(mutex.info()) is new.Info
        try:
            module.SharedMutex('/nonexistent/x')
        except new.MutexNotFoundError as error:
            pass
    assert new.ACCEPT is old.ACCEPT
    new.SharedMutex(sys.argv[1], recover=old.ACCEPT).close()
first.unlink()
try:
    first.unlink()
except new.RemovedError as error:
    pass
"""
    assert run(spawn, path, way, code) == (0, "", "")


@EACH_WAY
def test_nothing_leaks(path, spawn, way):
    code = """
def count():
    gc.collect()
    types = [each for each in gc.get_objects() if isinstance(each, type) and each.__module__.startswith('shmutex')]
    return len(types), len(shmutex.MutexError.__subclasses__())
again()
before = count()
for _ in range(5):
    again()
assert count() == before, (before, count())
"""
    if "_support'" in way and "reload" in way:  # typing keeps what its last 128 unions were made of
        code = code.replace("return len(types),", "return")
    assert run(spawn, path, way, code) == (0, "", "")


@EACH_WAY
def test_hooks_run_once(path, spawn, way):
    """The log at exit, and what a forked child is told."""
    code = """
mutex = shmutex.SharedMutex(sys.argv[1])
for _ in range(3):
    again()
import shmutex
logging.getLogger('shmutex').addHandler(logging.StreamHandler(sys.stdout))
with mutex:
    child = os.fork()
if child == 0:
    sys.exit(7)
assert os.WEXITSTATUS(os.waitpid(child, 0)[1]) == 7
mutex.acquire()
"""
    status, out, errors = run(spawn, path, way, code)
    assert status == 0 and errors == "" and out.count("interpreter exits") == 1, (out, errors)
