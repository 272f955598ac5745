/* Docstrings of what SWIG makes. The first line, up to "--", is what inspect.signature reads. */
%feature("docstring") SharedMutex::consistent "consistent($self, /)
--

Declare the data under the lock repaired, after its owner died.

A `recover` function need not call it: returning anything but False does. The lock stays held.

Raises NotOwnerError if the calling thread does not hold the lock, MutexError (EINVAL) if there is nothing to
declare, NotRecoverableError if the lock is poisoned, ValueError if the mutex is closed.

    def recover(mutex):
        rebuild_index()
        mutex.consistent()
";

%feature("docstring") SharedMutex::poison "poison($self, /)
--

Give the data under the lock up for lost: every later acquisition, in every process, raises NotRecoverableError.

The lock stays held until release(). Only unlink() makes the path usable again, for a new lock.

Raises NotOwnerError if the calling thread does not hold the lock, ValueError if the mutex is closed.

    with mutex:
        if not check(data):
            mutex.poison()
";

%feature("docstring") SharedMutex::info "info($self, /)
--

Return a snapshot of the lock as an Info tuple: state, owner, counts, and more.

Each field is for itself, since others may change the lock meanwhile. ValueError if the mutex is closed.

    >>> mutex.info().state
    'free'
";

%feature("docstring") shmutex_unlink_path "unlink(path, /)
--

Remove the lock at path: take it, retire it, remove the name.

A process that still has it open gets RemovedError from the next acquisition, never a second lock beside a new one; so
remove lock files with this, not with os.unlink(). Works on poisoned locks, and on those whose owner died.

Raises MutexError (EBUSY) while it is held, MutexNotFoundError (ENOENT) if there is no such file, InvalidMutexError if
it is not a lock; the file is still there then.

    shmutex.unlink('/dev/shm/stock.lock')
";

%feature("docstring") shmutex_inspect_path "inspect(path, /)
--

Return an Info tuple about the lock at path, without opening it for locking and without changing anything.

Needs permission to read the file only. Locks of an earlier boot can be looked at, too; their owner is None.

Raises MutexNotFoundError (ENOENT), MutexPermissionError (EACCES), MutexError (…), InvalidMutexError if it is not a lock.

    >>> shmutex.inspect('/dev/shm/stock.lock').owner
    Owner(pid=4711, tid=4711)
";
