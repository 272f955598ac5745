"""A mutex for processes that may be killed at any instruction.

    import shmutex

    with shmutex.SharedMutex("/dev/shm/stock.lock"):
        ...  # one thread of one process of this machine at a time

If a process dies inside, by SIGKILL included, the kernel hands the lock on at once, and the next owner is told:
OwnerDiedError, or its `recover` function is called. See help(shmutex.SharedMutex).
"""

try:
    from . import _shmutex

    _shmutex.check_interpreter()
    _shmutex.restore_support()
except ImportError as error:
    if "subinterpreter" in str(error):  # also CPython's own words for an isolated one
        raise ImportError(
            "shmutex does not support subinterpreters; use it in the main interpreter, or in a process of its own"
        ) from None
    raise

from . import _support  # noqa: F401
from ._shmutex import SharedMutex, __version__, inspect, unlink
from ._support import (
    ACCEPT,
    DeadlockError,
    Info,
    InvalidMutexError,
    MutexError,
    MutexExistsError,
    MutexNotADirectoryError,
    MutexNotFoundError,
    MutexPermissionError,
    NotOwnerError,
    NotRecoverableError,
    Owner,
    OwnerDiedError,
    RemovedError,
    configure_default_logging,
)

inspect.__module__ = unlink.__module__ = "shmutex"

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
