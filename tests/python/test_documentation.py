"""help(), inspect.signature(), and the type stubs."""

import ast
import inspect
import pydoc
import subprocess
import sys
from pathlib import Path

import pytest

import shmutex
from shmutex import SharedMutex

SIGNATURES = {
    SharedMutex: "(path, *, recursive=False, fair=False, mode=384, exist=None, recover=None)",
    SharedMutex.from_buffer: "(buffer, offset=0, *, recursive=False, fair=False, init=None, recover=None)",
    SharedMutex.acquire: "(self, /, blocking=True, timeout=-1)",
    SharedMutex.lock: "(self, /, blocking=True, timeout=None)",
    SharedMutex.release: "(self, /)",
    SharedMutex.unlock: "(self, /)",
    SharedMutex.__enter__: "(self, /)",
    SharedMutex.__exit__: "(self, exc_type, exc_value, traceback, /)",
    SharedMutex.locked: "(self, /)",
    SharedMutex.info: "(self, /)",
    SharedMutex.consistent: "(self, /)",
    SharedMutex.poison: "(self, /)",
    SharedMutex.close: "(self, /)",
    SharedMutex.unlink: "(self, /)",
    shmutex.inspect: "(path, /)",
    shmutex.unlink: "(path, /)",
    shmutex.configure_default_logging: "()",
}


@pytest.mark.parametrize("function", SIGNATURES, ids=lambda function: function.__qualname__)
def test_signatures(function):
    signature = str(inspect.signature(function)).replace(" -> None", "")
    assert signature == SIGNATURES[function]


def public_members():
    for name in dir(SharedMutex):
        if not name.startswith("_") and name not in ("SIZE", "ALIGN"):
            yield name, inspect.getdoc(getattr(SharedMutex, name))
    for name in ("inspect", "unlink", "configure_default_logging"):
        yield name, inspect.getdoc(getattr(shmutex, name))


@pytest.mark.parametrize(
    "name, doc", list(public_members()), ids=lambda value: value if value and " " not in value else ""
)
def test_docstrings_have_an_example(name, doc):
    lines = doc.splitlines()
    assert len(lines[0]) > 15 and "--" not in lines
    assert any(line.startswith(("    ", ">>> ")) for line in lines), doc


UNITS = {"acquire": "seconds", "lock": "seconds", "SharedMutex": "bits", "from_buffer": "bytes"}
ERRORS = {
    "acquire": "OwnerDiedError NotRecoverableError RemovedError DeadlockError EAGAIN ValueError OverflowError",
    "lock": "acquire()",
    "release": "NotOwnerError ValueError",
    "unlock": "NotOwnerError ValueError",
    "__enter__": "acquire()",
    "__exit__": "release()",
    "consistent": "NotOwnerError EINVAL NotRecoverableError ValueError",
    "poison": "NotOwnerError ValueError",
    "close": "MutexError EBUSY",
    "unlink": "MutexError EBUSY RemovedError",
    "from_buffer": "ValueError BufferError InvalidMutexError",
    "locked": "ValueError",
    "info": "ValueError",
    "owner": "ValueError",
    "depth": "ValueError",
    "token": "ValueError",
    "__reduce__": "TypeError ValueError",
}
FUNCTION_ERRORS = {"unlink": "EBUSY ENOENT InvalidMutexError", "inspect": "ENOENT EACCES InvalidMutexError"}


@pytest.mark.parametrize("name", ERRORS)
def test_docstrings_name_the_errors(name):
    doc = inspect.getdoc(getattr(SharedMutex, name))
    for word in ERRORS[name].split():
        assert word in doc, (word, doc)


@pytest.mark.parametrize("name", FUNCTION_ERRORS)
def test_docstrings_of_functions_name_the_errors(name):
    doc = inspect.getdoc(getattr(shmutex, name))
    for word in FUNCTION_ERRORS[name].split():
        assert word in doc, (word, doc)


@pytest.mark.parametrize("name", UNITS)
def test_docstrings_name_the_units(name):
    doc = inspect.getdoc(SharedMutex if name == "SharedMutex" else getattr(SharedMutex, name))
    assert UNITS[name] in doc, doc


def test_the_class_docstring():
    doc = inspect.getdoc(SharedMutex)
    for word in "InvalidMutexError ENOENT EEXIST EACCES ENOTSUP ValueError OwnerDiedError NotRecoverableError".split():
        assert word in doc, word
    for parameter in inspect.signature(SharedMutex).parameters:
        assert f"\n{parameter}: " in doc, parameter


def test_enter_and_exit_have_an_example():
    for method in (SharedMutex.__enter__, SharedMutex.__exit__):
        assert "    with mutex:" in inspect.getdoc(method)


def test_help():
    text = pydoc.render_doc(SharedMutex, renderer=pydoc.plaintext)
    assert "class SharedMutex(builtins.object)" in text
    assert "acquire(self, /, blocking=True, timeout=-1)" in text
    assert "fencing token" in text and "swig" not in text.lower()
    text = pydoc.render_doc(shmutex, renderer=pydoc.plaintext)
    for name in shmutex.__all__:
        assert name in text or name == "__version__"


def test_all_is_what_there_is():
    public = {name for name in dir(shmutex) if not name.startswith("_")}
    assert public | {"__version__"} == set(shmutex.__all__)


def documented_names():
    """(name, node of the stub, object) for all that has a name in both, private methods too."""
    module = ast.parse((Path(shmutex.__file__).parent / "__init__.pyi").read_text())
    yield "shmutex", module, shmutex
    for node in module.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and hasattr(shmutex, node.name):
            yield node.name, node, getattr(shmutex, node.name)
        if isinstance(node, ast.ClassDef) and node.name == "SharedMutex":
            for member in node.body:
                if isinstance(member, ast.FunctionDef) and member.name != "__init__":
                    yield f"SharedMutex.{member.name}", member, getattr(SharedMutex, member.name)


@pytest.mark.parametrize(
    "name, node, thing", list(documented_names()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_stubs_say_what_help_says(name, node, thing):
    """Editors show the stub's text. scripts/stub_docs.py writes it."""
    assert ast.get_docstring(node) == inspect.getdoc(thing), f"{name}: run scripts/stub_docs.py"


def test_stubs_document_every_public_name():
    documented = {name.split(".")[-1] for name, node, _ in documented_names() if ast.get_docstring(node)}
    constants = {"ACCEPT", "__version__", "SIZE", "ALIGN"}
    assert set(shmutex.__all__) <= documented | constants
    assert {name for name in dir(SharedMutex) if not name.startswith("_")} <= documented | constants


def mypy_knows_disjoint_base():
    from mypy.version import __version__

    return tuple(int(part) for part in __version__.split("+")[0].split(".")[:2]) >= (1, 18)


def test_stubs_match_the_module(tmp_path):
    pytest.importorskip("mypy.stubtest")
    private = tmp_path / "allowed"
    # It has no stub: its annotations stand in the source.
    allowed = "shmutex\\._support\\..*\n"
    if mypy_knows_disjoint_base():
        # Such a mypy wants the class to be decorated with it, which older ones, and typing_extensions, do not have.
        allowed += "shmutex\\.SharedMutex\n"
    private.write_text(allowed)
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "shmutex", "--allowlist", str(private), "--ignore-unused-allowlist"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=140,
    )
    assert done.returncode == 0, done.stdout + done.stderr


TYPED = """
import mmap
import shmutex
def repair(mutex: shmutex.SharedMutex) -> bool: return True
class Mine(shmutex.SharedMutex): pass
mine: Mine = Mine.from_buffer(mmap.mmap(-1, 4096), recover=repair)
with shmutex.SharedMutex(b"/x", recursive=True, recover=shmutex.ACCEPT) as mutex:
    got: bool = mutex.acquire(timeout=1.5)
owner = shmutex.inspect("/x").owner
pid: int = owner.pid if owner else 0
shmutex.SharedMutex(5)  # error
mutex.acquire("x", [])  # error
mutex.token = 3  # error
"""


def test_programs_are_type_checked(tmp_path):
    pytest.importorskip("mypy")
    program = tmp_path / "program.py"
    program.write_text(TYPED)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=140,
    )
    wrong = {int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line}
    lines = TYPED.splitlines()
    assert wrong == {i + 1 for i, line in enumerate(lines) if line.endswith("# error")}, done.stdout
