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

class MutexError(OSError): ...
class MutexNotFoundError(MutexError, FileNotFoundError): ...
class MutexExistsError(MutexError, FileExistsError): ...
class MutexPermissionError(MutexError, PermissionError): ...
class MutexNotADirectoryError(MutexError, NotADirectoryError): ...
class NotOwnerError(MutexError, RuntimeError): ...
class DeadlockError(MutexError, RuntimeError): ...
class OwnerDiedError(MutexError): ...
class NotRecoverableError(MutexError): ...
class RemovedError(MutexError): ...
class InvalidMutexError(MutexError, ValueError): ...

class Owner(NamedTuple):
    pid: int
    tid: int

class Info(NamedTuple):
    state: Literal["free", "held", "owner-died", "poisoned", "retired"]
    recursive: bool
    fair: bool
    waiters: bool
    owner: Optional[Owner]
    depth: int
    last_dead_tid: int
    token: int
    contended: int
    recoveries: int
    same_boot: bool
    same_pid_namespace: bool
    links: int

class _Accept:
    def __reduce__(self) -> str: ...

ACCEPT: _Accept

_Path = Union[str, bytes, os.PathLike[str], os.PathLike[bytes]]
_M = TypeVar("_M", bound="SharedMutex")
_Recover = Union[None, _Accept, Callable[[Any], object]]

class SharedMutex:
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
    ) -> _M: ...
    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...
    def release(self) -> None: ...
    def lock(self, blocking: bool = True, timeout: Optional[float] = None) -> bool: ...
    def unlock(self) -> None: ...
    def __enter__(self: _M) -> _M: ...
    def __exit__(
        self,
        exc_type: Optional[Type[BaseException]],
        exc_value: Optional[BaseException],
        traceback: Optional[TracebackType],
        /,
    ) -> None: ...
    def locked(self) -> bool: ...
    @property
    def owned(self) -> bool: ...
    @property
    def owner(self) -> Optional[Owner]: ...
    @property
    def token(self) -> int: ...
    @property
    def depth(self) -> int: ...
    @property
    def path(self) -> Union[str, bytes, None]: ...
    @property
    def closed(self) -> bool: ...
    def info(self) -> Info: ...
    def consistent(self) -> None: ...
    def poison(self) -> None: ...
    def close(self) -> None: ...
    def unlink(self) -> None: ...
    def __reduce__(self) -> Tuple[Any, ...]: ...
    def _is_owned(self) -> bool: ...
    def _release_save(self) -> int: ...
    def _acquire_restore(self, depth: int, /) -> None: ...
    def _at_fork_reinit(self) -> None: ...

def inspect(path: _Path, /) -> Info: ...
def unlink(path: _Path, /) -> None: ...
def configure_default_logging() -> None: ...
