"""What the extension module calls and what is easier said in Python: exceptions, named tuples, recovery, the log."""

import atexit
import copyreg
import errno
import gc
import logging
import os
import sys
import threading
from types import FrameType
from typing import Any, Callable, List, NamedTuple, NoReturn, Optional, Tuple, Union

from . import _shmutex  # type: ignore[attr-defined]

log = logging.getLogger("shmutex")


class MutexError(OSError):
    """A lock operation failed. `errno` says what, `filename` on which lock, and the message what to do about it."""

    def __str__(self) -> str:
        return self.strerror if isinstance(self.strerror, str) else super().__str__()


class MutexNotFoundError(MutexError, FileNotFoundError):
    """There is no such lock file, or its directory is missing (ENOENT)."""


class MutexExistsError(MutexError, FileExistsError):
    """The lock file is there already (EEXIST)."""


class MutexPermissionError(MutexError, PermissionError):
    """The system refuses access to the lock file (EACCES, EPERM)."""


class MutexNotADirectoryError(MutexError, NotADirectoryError):
    """A part of the lock's path is no directory (ENOTDIR)."""


class NotOwnerError(MutexError, RuntimeError):
    """Only the thread that acquired the lock may release it, or say something about its data (EPERM)."""


class DeadlockError(MutexError, RuntimeError):
    """Waiting would never end: the calling thread has the lock already, or a cycle would close (EDEADLK)."""


class OwnerDiedError(MutexError):
    """The previous owner died inside, so the data may be half changed; the lock is not held (EOWNERDEAD)."""


class NotRecoverableError(MutexError):
    """The data was given up for lost with poison(); only unlink() ends this (ENOTRECOVERABLE)."""


class RemovedError(MutexError):
    """The lock was removed with unlink(); close it and open it again (EIDRM)."""


class InvalidMutexError(MutexError, ValueError):
    """This is no lock, or none that can be used from here or in this way.

    EBADMSG: not a lock. EPROTONOSUPPORT: another format. EXDEV: in use in another PID namespace or boot. ESTALE: a
    buffer from an earlier boot. EPROTOTYPE: recursive or fair is not what it was created with.
    """


for _each in (
    MutexError,
    MutexNotFoundError,
    MutexExistsError,
    MutexPermissionError,
    MutexNotADirectoryError,
    NotOwnerError,
    DeadlockError,
    OwnerDiedError,
    NotRecoverableError,
    RemovedError,
    InvalidMutexError,
):
    _each.__module__ = "shmutex"


class Owner(NamedTuple):
    """Who holds a lock."""

    pid: int
    tid: int


class Info(NamedTuple):
    """A snapshot of a lock, each field for itself: others may change the lock meanwhile."""

    state: str
    """'free', 'held', 'owner-died' (free, and the next owner is told), 'poisoned' or 'retired' (removed)"""
    recursive: bool
    fair: bool
    waiters: int
    """how many threads sleep, waiting; 1 where it is only known that there are some, as of a fair lock"""
    owner: Optional[Owner]
    """None: it is not held, or its owner cannot be named from here"""
    depth: int
    """how often the owner holds it"""
    last_dead_tid: int
    """the last owner known to have died inside; 0: none"""
    token: int
    """fencing token of the latest acquisition"""
    contended: int
    """acquisitions that had to wait"""
    recoveries: int
    """how often the data was declared repaired"""
    same_boot: bool
    same_pid_namespace: bool
    links: int
    """names of the file; of an open lock 0: its path leads elsewhere by now, because the file was removed with rm"""
    kind: str
    """what it is: 'mutex'"""
    owner_since: Optional[float]
    """since when the present hold is known to last, as time.monotonic(), noted by the first waiter that sleeps; None: not
    known"""


Owner.__module__ = Info.__module__ = "shmutex"


class _Accept:
    """The type of ACCEPT."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "shmutex.ACCEPT"

    def __reduce__(self) -> str:
        return "ACCEPT"


_Accept.__module__ = "shmutex"
ACCEPT = _Accept()

Recover = Union[None, _Accept, Callable[[Any], object]]
Name = Union[str, bytes]
Records = List[logging.LogRecord]

# What becomes of the lock, as bindings in all languages have it.
LEAVE, REPAIRED, POISON = _shmutex.LEAVE, _shmutex.REPAIRED, _shmutex.POISON


def check_recover(recover: object) -> None:
    if recover is not None and recover is not ACCEPT and not callable(recover):
        raise TypeError(f"recover must be None, shmutex.ACCEPT or a callable, not {type(recover).__name__}")


def judge_death(mutex: Any, recover: Recover, records: Records) -> int:
    """The last owner died inside and the caller holds the lock now: says what is to become of it, and adds to the
    records what to log about it later."""
    name = mutex.path if mutex.path is not None else repr(mutex)
    place = sys._getframe().f_back

    def warn(text: str, *more: object) -> None:
        records.extend(made_record(logging.WARNING, text, name, *more, place=place))

    warn("%s: its owner (thread %d) died inside", mutex.info().last_dead_tid)
    if recover is None:
        warn("%s: no recovery function; released, still marked")
        return LEAVE
    if recover is ACCEPT:
        warn("%s: accepted without repair")
        return REPAIRED
    assert callable(recover)
    try:
        answer = recover(mutex)
    except BaseException as error:
        warn("%s: its recovery function raised %s; released, still marked", repr(error))
        raise
    if answer is False:
        warn("%s: its recovery function gave it up; poisoned")
        return POISON
    warn("%s: repaired by its recovery function")
    return REPAIRED


def refuse_close(path: Optional[Name]) -> NoReturn:
    raise MutexError(
        errno.EBUSY, "The mutex cannot be closed while another thread is waiting for it, or recovering it.", path
    )


def refuse_unlink(path: Optional[Name]) -> NoReturn:
    if path is None:
        raise RemovedError(errno.EIDRM, "The lock in this buffer has been removed already.", path)
    raise RemovedError(
        errno.EIDRM, "The lock's file has been removed already; what its path names now is not this lock.", path
    )


def absolute_path(path: Name) -> Name:
    """As it is but for the front: the kernel follows a symbolic link before the `..` behind it."""
    if os.path.isabs(path):
        return path
    try:
        return os.path.join(os.getcwdb(), path) if isinstance(path, bytes) else os.path.join(os.getcwd(), path)
    except FileNotFoundError as error:
        raise MutexNotFoundError(
            errno.ENOENT, f"{os.fsdecode(path)!r} is a relative path, and the current directory was deleted.", path
        ) from error


def reopen(cls: Any, path: Name, recursive: bool, fair: bool, recover: Recover) -> Any:
    """Unpickles: the lock must still be there, or the two ends would silently have two locks."""
    mutex = cls.__new__(cls)
    _shmutex.SharedMutex.__init__(mutex, path, recursive=recursive, fair=fair, exist=True, recover=recover)
    return mutex


def state_of(mutex: Any) -> Any:
    """What pickle would ask of an object that has no __reduce__(): __dict__ and slots, or its __getstate__()."""
    getstate = getattr(mutex, "__getstate__", None)
    if getstate is not None:  # every object has one from Python 3.11 on
        return getstate()
    slots = {name: getattr(mutex, name) for name in _slot_names(type(mutex)) if hasattr(mutex, name)}
    return (mutex.__dict__ or None, slots) if slots else mutex.__dict__ or None


_slot_names: Callable[[type], Any] = copyreg._slotnames  # type: ignore[attr-defined]


def reduce(mutex: Any, path: Optional[Name], recursive: bool, fair: bool, recover: Recover) -> Tuple[Any, ...]:
    cls = type(mutex)
    if path is None:
        raise TypeError(
            f"cannot pickle a {cls.__name__} in a buffer: pickle what the buffer was made from (the SharedMemory, "
            "the file to map) and call from_buffer() on it at the other end"
        )
    return reopen, (cls, path, recursive, fair, recover), state_of(mutex)


def made_record(level: int, text: str, *values: object, place: Optional[FrameType] = None) -> Records:
    """A record of now, or none if no handler wants it."""
    if not log.isEnabledFor(level):
        return []
    code = place.f_code if place else None
    return [
        log.makeRecord(
            log.name,
            level,
            code.co_filename if code else __file__,
            place.f_lineno if place else 0,
            text,
            values,
            None,
            code.co_name if code else None,
        )
    ]


class _Telling(threading.local):
    caused: Optional[Records] = None
    """while this thread tells records: those that log handlers cause meanwhile, by the locks that they use"""


_telling = _Telling()


def tell(records: Records) -> None:
    """Hands records to the log handlers, and then those that this causes; but not what these cause in turn, as that might
    not end. What a handler raises is reported as logging does; KeyboardInterrupt and its like are raised in the end."""
    if _telling.caused is not None:
        _telling.caused.extend(records)
        return
    interrupt: Optional[BaseException] = None
    caused: Records = []
    try:
        for batch in (records, caused):
            _telling.caused = caused if batch is records else []
            for record in batch:
                try:
                    log.handle(record)
                except Exception:
                    logging.Handler().handleError(record)
                except BaseException as error:
                    interrupt = error
    finally:
        _telling.caused = None
    if interrupt is not None:
        raise interrupt


def log_debug(what: str, name: object) -> None:
    if _telling.caused is None:  # what handlers open and close themselves would have no end
        tell(made_record(logging.DEBUG, "%s: %s", name, what, place=sys._getframe().f_back))


def log_lost_name(name: object) -> None:
    text = (
        "%s: its path no longer leads to this lock, whose file was removed by other means than unlink(); "
        "a process that opens the path now gets another lock"
    )
    tell(made_record(logging.WARNING, text, name, place=sys._getframe().f_back))


def log_collected(name: object) -> None:
    text = "%s: collected while its lock is held; it stays held until its owner ends, which will count as a death"
    tell(made_record(logging.CRITICAL, text, name, place=sys._getframe().f_back))


_watching = False


def watch_workers() -> None:
    """Processes that multiprocessing forks end by os._exit(), after their finalizers: atexit functions do not run."""
    global _watching
    util = sys.modules.get("multiprocessing.util")
    if util is None or _watching:
        return
    _watching = True
    util.register_after_fork(log, _watch_this_worker)
    if sys.modules["multiprocessing"].parent_process() is not None:  # imported by what the worker runs
        _watch_this_worker()


def _watch_this_worker(_: object = None) -> None:
    multiprocessing = sys.modules["multiprocessing"]
    if multiprocessing.get_start_method(allow_none=True) != "spawn":  # that one ends as other interpreters do
        sys.modules["multiprocessing.util"].Finalize(None, report_held_at_exit, exitpriority=-100)


def after_fork() -> None:
    _shmutex.after_fork()
    watch_workers()


def report_held_at_exit() -> None:
    tell(_shmutex.kept_back())
    text = "%s: the interpreter exits while its lock is held, which will count as a death"
    for name in _shmutex.held_names():
        tell(made_record(logging.CRITICAL, text, name))


def keep_shared_memory() -> None:
    """Each SharedMemory that a mutex lies in is kept until the process ends: destroyed before the mutex, it would complain
    on stderr that its memory is in use. Nothing is lost; the end of the process closes it."""
    module = sys.modules.get("multiprocessing.shared_memory")
    if module is None or not _shmutex.has_buffers():
        return
    for each in gc.get_objects():
        if issubclass(type(each), module.SharedMemory):
            _shmutex.keep_if_used(each, each.buf)


def at_exit() -> None:
    report_held_at_exit()
    keep_shared_memory()


def configure_default_logging() -> None:
    """Writes what the logger 'shmutex' says, from INFO on, to stderr: time, process, thread, level and message.

    For programs that have no logging of their own. To see each open and close too:

        logging.getLogger("shmutex").setLevel(logging.DEBUG)
    """
    if not any(isinstance(each, _DefaultHandler) for each in log.handlers):
        handler = _DefaultHandler()
        handler.setFormatter(
            logging.Formatter("%(asctime)s %(process)d %(threadName)s %(levelname)s %(name)s: %(message)s")
        )
        log.addHandler(handler)
        log.propagate = False
    if log.level == logging.NOTSET:
        log.setLevel(logging.INFO)


configure_default_logging.__module__ = "shmutex"


class _DefaultHandler(logging.StreamHandler):
    pass


def _start() -> None:
    """At the first import, and at each reload, which gives this module its first names again: the exceptions that locks
    raise stay the ones that the package has, and hooks are there once."""
    mine = {name: value for name, value in globals().items() if not name.startswith("__")}
    first = _shmutex.connect(sys.modules[__name__], mine)
    if first is not mine:
        globals().update(first)
        return
    os.register_at_fork(before=_shmutex.before_fork, after_in_child=after_fork)
    atexit.register(at_exit)
    watch_workers()


_start()
