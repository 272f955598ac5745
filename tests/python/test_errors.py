"""Which exception stands for which code, and that what it says is said in Python's words."""

import copy
import errno
import mmap
import os
import pickle
import re
import struct
import tempfile

import pytest

import shmutex
from processes import HOLD, die_holding
from shmutex import SharedMutex

C_NAMES = re.compile(r"SHMUTEX_|shmutex_")


@pytest.fixture
def name(path):
    """A path that has no C name in it."""
    yield path.replace("shmutex-", "errors-")
    if os.path.exists(path.replace("shmutex-", "errors-")):
        os.unlink(path.replace("shmutex-", "errors-"))


def failure(function, *arguments, **options):
    with pytest.raises((OSError, ValueError, RuntimeError, BufferError)) as caught:
        function(*arguments, **options)
    return caught.value


def test_no_message_speaks_c(name, spawn):
    said = [failure(SharedMutex, name, exist=True)]
    mutex = SharedMutex(name)
    said += [failure(SharedMutex, name, exist=False), failure(SharedMutex, name, fair=True), failure(mutex.release)]
    with mutex:
        said += [failure(mutex.acquire), failure(mutex.close), failure(mutex.consistent), failure(mutex.unlink)]
    holder = spawn(HOLD, name).expect("held")
    said += [failure(mutex.release), failure(mutex.unlink), failure(mutex.consistent), failure(mutex.poison)]
    holder.kill()
    said.append(failure(mutex.acquire))
    with SharedMutex(name, recover=shmutex.ACCEPT):
        mutex.poison()
    said += [failure(mutex.acquire), failure(mutex.__enter__)]
    mutex.unlink()
    said += [failure(mutex.acquire), failure(mutex.unlink)]
    said += [failure(shmutex.inspect, name), failure(shmutex.unlink, name)]

    memory = mmap.mmap(-1, mmap.PAGESIZE)
    said += [failure(SharedMutex.from_buffer, memory, init=False), failure(SharedMutex.from_buffer, memory, 1)]
    buffered = SharedMutex.from_buffer(memory)
    said += [failure(SharedMutex.from_buffer, memory, recursive=True), failure(buffered.release)]
    with buffered:
        said += [failure(buffered.acquire), failure(buffered.unlink), failure(buffered.close)]
        buffered.poison()
    said.append(failure(buffered.acquire))
    buffered.unlink()
    said += [failure(buffered.acquire), failure(buffered.unlink)]
    for error in said:
        assert not C_NAMES.search(str(error)), error
        assert len(str(error)) > 15


def test_the_message_advises_in_python(name):
    mutex = SharedMutex(name)
    with mutex:
        assert "recursive=True" in str(failure(mutex.acquire))
    assert "exist=False" in str(failure(SharedMutex, name, exist=False))
    die_holding(name)
    assert "recover=shmutex.ACCEPT" in str(failure(mutex.acquire))
    memory = mmap.mmap(-1, mmap.PAGESIZE)
    assert "from_buffer(init=True)" in str(failure(SharedMutex.from_buffer, memory, init=False))


def test_a_path_is_not_translated(tmp_path):
    odd = str(tmp_path / "call shmutex_consistent() (SHMUTEX_SIZE")
    assert odd in str(failure(SharedMutex, odd, exist=True))


CODES = {
    "MutexNotFoundError": [errno.ENOENT],
    "MutexExistsError": [errno.EEXIST],
    "MutexPermissionError": [errno.EACCES],
    "MutexNotADirectoryError": [errno.ENOTDIR],
    "NotOwnerError": [errno.EPERM],
    "DeadlockError": [errno.EDEADLK],
    "OwnerDiedError": [errno.EOWNERDEAD],
    "NotRecoverableError": [errno.ENOTRECOVERABLE],
    "RemovedError": [errno.EIDRM],
    "InvalidMutexError": [errno.EBADMSG, errno.EPROTONOSUPPORT, errno.EXDEV, errno.ESTALE, errno.EPROTOTYPE],
}


def test_exceptions_of_all_codes(source_tree):
    """By the extension module's own table."""
    source = (source_tree / "bindings/python/src/support.c").read_text()
    table = source[source.index("exception_of(") :]
    table = table[: table.index("\n}\n")]
    found, pending = {}, []
    returned = r'case (\w+):|return (by_path \? "MutexPermissionError" : )?"(\w+)";'
    for code, _by_path, name in re.findall(returned, table):
        if code:
            pending.append(getattr(errno, code))
        else:
            found.setdefault(name, []).extend(pending)
            pending = []
    assert found.pop("MutexError", []) == []
    assert found == CODES


BUILTINS = {
    shmutex.MutexNotFoundError: FileNotFoundError,
    shmutex.MutexExistsError: FileExistsError,
    shmutex.MutexPermissionError: PermissionError,
    shmutex.MutexNotADirectoryError: NotADirectoryError,
}


def as_stranger(spawn, name, code):
    """In a process of a user who may do nothing here: the builtin exception that the code raises, or None."""
    code = f"""
    os.setgid(65534)
    os.setuid(65534)
    try:
        {code}
    except (FileNotFoundError, FileExistsError, PermissionError, NotADirectoryError) as error:
        say(type(error).__name__, error.errno, error.filename)
    """
    kind, code, filename = spawn(code, name).hear().split(" ", 2)
    return getattr(shmutex, kind), int(code), filename


def test_the_builtin_exceptions_catch_what_they_say(name, tmp_path):
    missing = str(tmp_path / "missing" / "lock")
    below_a_file = name + "/lock"
    SharedMutex(name)
    for builtin, function, argument, options in (
        (FileNotFoundError, SharedMutex, name + "-", {"exist": True}),
        (FileNotFoundError, SharedMutex, missing, {}),
        (FileNotFoundError, SharedMutex, os.fsencode(missing), {"exist": False}),
        (FileNotFoundError, shmutex.inspect, missing, {}),
        (FileNotFoundError, shmutex.unlink, missing, {}),
        (FileExistsError, SharedMutex, name, {"exist": False}),
        (NotADirectoryError, SharedMutex, below_a_file, {}),
        (NotADirectoryError, shmutex.inspect, below_a_file, {}),
        (NotADirectoryError, shmutex.unlink, below_a_file, {}),
    ):
        error = failure(function, argument, **options)
        assert isinstance(error, builtin) and isinstance(error, shmutex.MutexError), error
        assert type(error) is {base: each for each, base in BUILTINS.items()}[builtin]
        assert error.filename == argument and type(OSError(error.errno, "")) is builtin


def test_what_the_kernel_refuses_is_a_permission_error(spawn, tmp_path):
    """Another user's lock; a directory with the sticky bit lets only a file's owner remove it (EPERM)."""
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        os.chmod(directory, 0o1777)
        private, public = directory + "/private", directory + "/public"
        SharedMutex(private), SharedMutex(public, mode=0o666)
        refused = shmutex.MutexPermissionError
        for path, code, expected in (
            (private, "shmutex.SharedMutex(sys.argv[1])", errno.EACCES),
            (private, "shmutex.inspect(sys.argv[1])", errno.EACCES),
            (private, "shmutex.unlink(sys.argv[1])", errno.EACCES),
            (public, "shmutex.unlink(sys.argv[1])", errno.EPERM),
            (public, "shmutex.SharedMutex(sys.argv[1]).unlink()", errno.EPERM),
        ):
            assert as_stranger(spawn, path, code) == (refused, expected, path)
        with SharedMutex(public):
            pass


def test_a_mistake_with_the_lock_is_no_permission_error(mutex):
    error = failure(mutex.release)
    assert error.errno == errno.EPERM and not isinstance(error, PermissionError)


@pytest.mark.parametrize("kind", BUILTINS)
def test_they_stay_what_they_are_when_pickled(kind):
    error = kind(errno.ENOENT, "a sentence", "/a/path")
    for each in (error, pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(each) is kind and str(each) == "a sentence"
        assert (each.errno, each.strerror, each.filename) == (errno.ENOENT, "a sentence", "/a/path")


# Of the header at the start of a lock: 0 magic, 8 boot id (16 bytes), 24 validity, 28 format version, 88 checksum.
def with_version(header, version):
    return header[:28] + struct.pack("=I", version) + header[32:]


def of_another_boot(header):
    header = header[:8] + bytes(byte ^ 0xFF for byte in header[8:24]) + header[24:]
    hash = 0xCBF29CE484222325  # FNV-1a over all but validity
    for byte in header[:24] + bytes(4) + header[28:88]:
        hash = (hash ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return header[:88] + struct.pack("=Q", hash) + header[96:]


def change_file(path, change):
    with open(path, "r+b") as file:
        header = file.read(128)
        file.seek(0)
        file.write(change(header))


def test_another_format(path):
    SharedMutex(path)
    change_file(path, lambda header: with_version(header, 77))
    memory = mmap.mmap(-1, mmap.PAGESIZE)
    SharedMutex.from_buffer(memory).close()
    memory[:128] = with_version(memory[:128], 77)
    for function, argument in (
        (SharedMutex, path),
        (shmutex.inspect, path),
        (shmutex.unlink, path),
        (SharedMutex.from_buffer, memory),
    ):
        error = failure(function, argument)
        assert type(error) is shmutex.InvalidMutexError and error.errno == errno.EPROTONOSUPPORT
        assert isinstance(error, ValueError)


def test_in_use_by_another_world(path, spawn):
    mutex = SharedMutex(path)
    change_file(path, of_another_boot)
    code = """
    try:
        shmutex.SharedMutex(sys.argv[1])
    except ValueError as error:
        say(type(error).__name__, error.errno, error.filename)
    """
    spawn(code, path).expect(f"InvalidMutexError {errno.EXDEV} {path}")
    mutex.close()
    with SharedMutex(path):  # nobody is in that other scope any more
        pass


def test_a_stale_buffer():
    memory = mmap.mmap(-1, mmap.PAGESIZE)
    SharedMutex.from_buffer(memory).close()
    memory[:128] = of_another_boot(memory[:128])
    for init in (None, False):
        error = failure(SharedMutex.from_buffer, memory, init=init)
        assert type(error) is shmutex.InvalidMutexError and error.errno == errno.ESTALE
    with SharedMutex.from_buffer(memory, init=True):
        pass


def test_other_attributes(path):
    memory = mmap.mmap(-1, mmap.PAGESIZE)
    keep = SharedMutex(path), SharedMutex.from_buffer(memory)
    for function, argument in ((SharedMutex, path), (SharedMutex.from_buffer, memory)):
        for options in ({"recursive": True}, {"fair": True}):
            error = failure(function, argument, **options)
            assert type(error) is shmutex.InvalidMutexError and error.errno == errno.EPROTOTYPE
    assert all(not mutex.closed for mutex in keep)


def test_recursion_has_an_end(path):
    mutex = SharedMutex(path, recursive=True)
    most = 1048576
    for _ in range(most):
        mutex.acquire()
    error = failure(mutex.acquire)
    assert error.errno == errno.EAGAIN and mutex.depth == most
    mutex._release_save()
    assert not mutex.owned
