"""A mutex for processes that may be killed at any instruction.

    import shmutex

    with shmutex.SharedMutex("/dev/shm/stock.lock"):
        ...  # one thread of one process of this machine at a time

If a process dies inside, by SIGKILL included, the kernel hands the lock on at once, and the next owner is told:
OwnerDiedError, or its `recover` function is called. See help(shmutex.SharedMutex).
"""

import os
from multiprocessing.shared_memory import SharedMemory
from types import TracebackType
from typing import Any, Callable, ClassVar, Literal, NamedTuple, Optional, Tuple, Type, TypeVar, Union

from _typeshed import WriteableBuffer

__all__ = [
    "ACCEPT",
    "DeadlockError",
    "Info",
    "InvalidMutexError",
    "MutexError",
    "MutexExistsError",
    "MutexNotADirectoryError",
    "MutexNotFoundError",
    "MutexPermissionError",
    "NotOwnerError",
    "NotRecoverableError",
    "Owner",
    "OwnerDiedError",
    "RemovedError",
    "SharedMutex",
    "__version__",
    "configure_default_logging",
    "inspect",
    "unlink",
]

__version__: str

class MutexError(OSError):
    """A lock operation failed. `errno` says what, `filename` on which lock, and the message what to do about it."""

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

class Owner(NamedTuple):
    """Who holds a lock."""

    pid: int
    tid: int

class Info(NamedTuple):
    """A snapshot of a lock, each field for itself: others may change the lock meanwhile."""

    state: Literal["free", "held", "owner-died", "poisoned", "retired"]
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
    kind: Literal["mutex", "unknown"]
    """what it is: 'mutex'"""
    owner_since: Optional[float]
    """since when the present hold is known to last, as time.monotonic(), noted by the first waiter that sleeps; None: not
    known
    """

class _Accept:
    def __reduce__(self) -> str: ...

ACCEPT: _Accept

_Path = Union[str, bytes, os.PathLike[str], os.PathLike[bytes]]
_M = TypeVar("_M", bound="SharedMutex")
_Recover = Union[None, _Accept, Callable[[Any], object]]

class SharedMutex:
    """A lock shared by all threads of all processes that open the same file; one thread of them holds it at a
    time.

    path: the lock file, str, bytes or os.PathLike. Its directory must exist; put it on tmpfs (/dev/shm,
    /run).
    recursive: its owner may acquire it again, and releases it as often.
    fair: handed over in order of arrival, with priority inheritance; slower when contended.
    mode: permission bits of a new file, 0o1 to 0o777, whatever the umask.
    exist: None opens or creates, True must find the lock, False must create it.
    recover: what to do when the previous owner died inside:
        None: raise OwnerDiedError; the lock is released, still marked, and the next owner is told too.
        a function: called with the mutex, the lock held. Returning False poisons the lock
        (NotRecoverableError); returning anything else declares the data repaired. An exception propagates,
        the lock released and still marked.
        shmutex.ACCEPT: go on without repair.

    In the main thread every wait sleeps in slices of 0.1 s, so that Ctrl-C works; for a fair lock it joins the
    queue again after each.

    Only the thread that acquired the lock can release it. Process exit, thread exit and exec while holding
    it count as the owner's death. After fork() the child has the mutex open, and holds nothing.

    Raises InvalidMutexError if the file is not a lock or not one like this, MutexNotFoundError (ENOENT),
    MutexExistsError (EEXIST), MutexPermissionError (EACCES, EPERM), MutexError (ENOTSUP, ...). Methods of a
    closed mutex raise ValueError.

        with shmutex.SharedMutex('/dev/shm/stock.lock') as mutex:
            sell_one()
    """

    SIZE: ClassVar[int]
    ALIGN: ClassVar[int]
    def __init__(
        self,
        path: _Path,
        *,
        recursive: bool = False,
        fair: bool = False,
        mode: int = 0o600,
        exist: Optional[bool] = None,
        recover: _Recover = None,
    ) -> None: ...
    @classmethod
    def from_buffer(
        cls: Type[_M],
        buffer: Union[WriteableBuffer, SharedMemory],
        offset: int = 0,
        *,
        recursive: bool = False,
        fair: bool = False,
        init: Optional[bool] = None,
        recover: _Recover = None,
    ) -> _M:
        """Return a mutex that lies in memory of yours: a bytearray, mmap, SharedMemory.buf, numpy array, any
        writable buffer.

        buffer: a writable buffer, or a SharedMemory; SharedMutex.SIZE bytes from offset on, aligned to
        SharedMutex.ALIGN. It cannot be resized or
        closed before close().
        init: None initialises memory that is all zeros, exactly once however many processes try; True
            initialises it now, whatever is there (it must not be in use); False only attaches.
        recursive, fair, recover: as in SharedMutex().

        In a subclass it does not call __init__().

        A process that may write to the buffer can harm those who wait there: between processes that do not trust
        each other use files. Such a mutex cannot be pickled.

        Raises ValueError (too small, misaligned), BufferError (read-only), InvalidMutexError.

            memory = shared_memory.SharedMemory('stock', create=True, size=4096)
            mutex = shmutex.SharedMutex.from_buffer(memory)
        """
    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Acquire the lock; return True, or False if it was busy or the timeout passed. As
        threading.Lock.acquire().

        blocking: False tries once.
        timeout: seconds to wait at most, on the monotonic clock; -1 waits without limit.

        Waiting releases the GIL. Signal handlers run meanwhile; if one raises, as Ctrl-C does, acquire() raises
        and the lock is not held. Other handlers do not prolong the timeout.

        Raises OwnerDiedError, NotRecoverableError, RemovedError, or DeadlockError if the calling thread has it
        already and would wait for itself; in all these cases it is not acquired. MutexError (EAGAIN): a recursive
        one is held 1048576 times, the most there is. ValueError and OverflowError for a timeout that makes no
        sense, ValueError if the mutex is closed.

            if mutex.acquire(timeout=2.5):
                try:
                    sell_one()
                finally:
                    mutex.release()
        """
    def release(self) -> None:
        """Release the lock; a recursive one, once.

        Raises NotOwnerError, a RuntimeError, if the calling thread does not hold it, ValueError if the mutex is
        closed.

            mutex.acquire()
            try:
                sell_one()
            finally:
                mutex.release()
        """
    def lock(self, blocking: bool = True, timeout: Optional[float] = None) -> bool:
        """acquire() under its C name. timeout is in seconds; None waits without limit.

        Returns and raises what acquire() does.

            if not mutex.lock(timeout=0.1):
                print('busy')
        """
    def unlock(self) -> None:
        """release() under its C name.

        Raises NotOwnerError if the calling thread does not hold the lock, ValueError if the mutex is closed.

            mutex.lock()
            mutex.unlock()
        """
    def __enter__(self: _M) -> _M:
        """Acquire the lock, as acquire(), and return the mutex.

        Raises what acquire() does.

            with mutex:
                sell_one()
        """
    def __exit__(
        self,
        exc_type: Optional[Type[BaseException]],
        exc_value: Optional[BaseException],
        traceback: Optional[TracebackType],
        /,
    ) -> None:
        """Release the lock, as release(). An exception inside goes on. A child that was forked inside the block
        leaves it silently, holding nothing.

        Raises what release() does.

            with mutex:
                raise KeyError  # leaves the block, and the lock is free
        """
    def locked(self) -> bool:
        """Return True if any thread of any process holds the lock, a poisoned one included. Unless that is the
        caller, it may be over before this returns. ValueError if the mutex is closed.

            >>> mutex.locked()
            False
        """
    @property
    def owned(self) -> bool:
        """True if the calling thread holds the lock; False, too, if the mutex is closed.

        >>> with mutex: mutex.owned
        True
        """
    @property
    def owner(self) -> Optional[Owner]:
        """Which thread of which process holds the lock, as Owner(pid, tid), a poisoned one included. None if it
        is free, or if the owner lives in another boot or PID namespace. Unless that is the caller, it may be over before
        this returns. ValueError if the mutex is closed.

            >>> mutex.owner
            Owner(pid=4711, tid=4711)
        """
    @property
    def token(self) -> int:
        """The fencing token of the latest acquisition, an int. Each acquisition but a recursive one adds one; the
        numbers of a path never go back. A store that remembers the highest token seen can reject the late write
        of an owner presumed dead. ValueError if the mutex is closed.

            with mutex:
                store.write(value, token=mutex.token)
        """
    @property
    def depth(self) -> int:
        """How often its owner, this thread or another, holds the lock; 0 if it is free. ValueError if the mutex is closed.

        >>> with mutex: mutex.depth
        1
        """
    @property
    def path(self) -> Union[str, bytes, None]:
        """The path as it was given, str or bytes; None if the lock is in a buffer.

        >>> mutex.path
        '/dev/shm/stock.lock'
        """
    @property
    def closed(self) -> bool:
        """True after close().

        >>> mutex.closed
        False
        """
    def info(self) -> Info:
        """Return a snapshot of the lock as an Info tuple: state, owner, counts, and more.

        Each field is for itself, since others may change the lock meanwhile. ValueError if the mutex is closed.

            >>> mutex.info().state
            'free'
        """
    def consistent(self) -> None:
        """Declare the data under the lock repaired, after its owner died.

        A `recover` function need not call it: returning anything but False does. The lock stays held.

        Raises NotOwnerError if the calling thread does not hold the lock, MutexError (EINVAL) if there is nothing to
        declare, NotRecoverableError if the lock is poisoned, ValueError if the mutex is closed.

            def recover(mutex):
                rebuild_index()
                mutex.consistent()
        """
    def poison(self) -> None:
        """Give the data under the lock up for lost: every later acquisition, in every process, raises NotRecoverableError.

        The lock stays held until release(). Only unlink() makes the path usable again, for a new lock.

        Raises NotOwnerError if the calling thread does not hold the lock, ValueError if the mutex is closed.

            with mutex:
                if not check(data):
                    mutex.poison()
        """
    def close(self) -> None:
        """Give the lock file, or the buffer, back to the system. The lock itself stays for others. Closing twice is
        allowed.

        Raises MutexError (EBUSY), the mutex still open, while another thread waits in it, or if it is the last
        of this process for its lock and a thread of this process holds that.

            mutex = shmutex.SharedMutex('/dev/shm/stock.lock')
            try:
                ...
            finally:
                mutex.close()
        """
    def unlink(self) -> None:
        """Remove the lock for all its users; it must be free. Later acquisitions raise RemovedError, here too; a new
        lock may be created at the path, or in the buffer with init=True. Works on poisoned locks.

        Raises MutexError (EBUSY) while it is held, RemovedError if it was removed before, MutexPermissionError
        (EACCES, EPERM) if the system refuses.

            mutex.unlink()
            mutex.close()
        """
    def __reduce__(self) -> Tuple[Any, ...]:
        """Pickle by path: the other end opens the same lock, which must still be there. Raises TypeError for a lock
        in a buffer, ValueError if the mutex is closed.
        """
    def _is_owned(self) -> bool:
        """For threading.Condition: the property owned."""
    def _release_save(self) -> int:
        """For threading.Condition: release the lock however deep it is held, and return the depth."""
    def _acquire_restore(self, depth: int, /) -> None:
        """For threading.Condition: acquire the lock as deep as _release_save() found it; signals do not end the
        wait.
        """
    def _at_fork_reinit(self) -> None:
        """For threading.Condition: nothing to do; a forked child holds nothing already."""

def inspect(path: _Path, /) -> Info:
    """Return an Info tuple about the lock at path, without opening it for locking and without changing anything.

    Needs permission to read the file only. Locks of an earlier boot can be looked at, too; their owner is None.

    Raises MutexNotFoundError (ENOENT), MutexPermissionError (EACCES), MutexError (…), InvalidMutexError if it is not a lock.

        >>> shmutex.inspect('/dev/shm/stock.lock').owner
        Owner(pid=4711, tid=4711)
    """

def unlink(path: _Path, /) -> None:
    """Remove the lock at path: take it, retire it, remove the name.

    A process that still has it open gets RemovedError from the next acquisition, never a second lock beside a new one; so
    remove lock files with this, not with os.unlink(). Works on poisoned locks, and on those whose owner died.

    Raises MutexError (EBUSY) while it is held, MutexNotFoundError (ENOENT) if there is no such file, InvalidMutexError if
    it is not a lock; the file is still there then.

        shmutex.unlink('/dev/shm/stock.lock')
    """

def configure_default_logging() -> None:
    """Writes what the logger 'shmutex' says, from INFO on, to stderr: time, process, thread, level and message.

    For programs that have no logging of their own. To see each open and close too:

        logging.getLogger("shmutex").setLevel(logging.DEBUG)
    """
