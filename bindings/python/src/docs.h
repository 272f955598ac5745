/* Docstrings of what is written by hand. The first line, up to "--", is what inspect.signature reads. */
#ifndef SHMUTEX_PYTHON_DOCS_H
#define SHMUTEX_PYTHON_DOCS_H

#define DOC_CLASS                                                                                                 \
  "SharedMutex(path, *, recursive=False, fair=False, mode=0o600, exist=None, recover=None)\n"                     \
  "--\n"                                                                                                          \
  "\n"                                                                                                            \
  "A lock shared by all threads of all processes that open the same file; one thread of them holds it at a\n"     \
  "time.\n"                                                                                                       \
  "\n"                                                                                                            \
  "path: the lock file, str, bytes or os.PathLike. Its directory must exist; put it on tmpfs (/dev/shm,\n"        \
  "/run).\n"                                                                                                      \
  "recursive: its owner may acquire it again, and releases it as often.\n"                                        \
  "fair: handed over in order of arrival, with priority inheritance; slower when contended.\n"                    \
  "mode: permission bits of a new file, 0o1 to 0o777, whatever the umask.\n"                                      \
  "exist: None opens or creates, True must find the lock, False must create it.\n"                                \
  "recover: what to do when the previous owner died inside:\n"                                                    \
  "    None: raise OwnerDiedError; the lock is released, still marked, and the next owner is told too.\n"         \
  "    a function: called with the mutex, the lock held. Returning False poisons the lock\n"                      \
  "    (NotRecoverableError); returning anything else declares the data repaired. An exception propagates,\n"     \
  "    the lock released and still marked.\n"                                                                     \
  "    shmutex.ACCEPT: go on without repair.\n"                                                                   \
  "\n"                                                                                                            \
  "In the main thread every wait sleeps in slices of 0.1 s, so that Ctrl-C works; for a fair lock it joins the\n" \
  "queue again after each.\n"                                                                                     \
  "\n"                                                                                                            \
  "Only the thread that acquired the lock can release it. Process exit, thread exit and exec while holding\n"     \
  "it count as the owner's death. After fork() the child has the mutex open, and holds nothing.\n"                \
  "\n"                                                                                                            \
  "Raises InvalidMutexError if the file is not a lock or not one like this, MutexNotFoundError (ENOENT),\n"       \
  "MutexExistsError (EEXIST), MutexPermissionError (EACCES, EPERM), MutexError (ENOTSUP, ...). Methods of a\n"    \
  "closed mutex raise ValueError.\n"                                                                              \
  "\n"                                                                                                            \
  "    with shmutex.SharedMutex('/dev/shm/stock.lock') as mutex:\n"                                               \
  "        sell_one()"

#define DOC_ACQUIRE                                                                                              \
  "acquire($self, /, blocking=True, timeout=-1)\n"                                                               \
  "--\n"                                                                                                         \
  "\n"                                                                                                           \
  "Acquire the lock; return True, or False if it was busy or the timeout passed. As\n"                           \
  "threading.Lock.acquire().\n"                                                                                  \
  "\n"                                                                                                           \
  "blocking: False tries once.\n"                                                                                \
  "timeout: seconds to wait at most, on the monotonic clock; -1 waits without limit.\n"                          \
  "\n"                                                                                                           \
  "Waiting releases the GIL. Signal handlers run meanwhile; if one raises, as Ctrl-C does, acquire() raises\n"   \
  "and the lock is not held. Other handlers do not prolong the timeout.\n"                                       \
  "\n"                                                                                                           \
  "Raises OwnerDiedError, NotRecoverableError, RemovedError, or DeadlockError if the calling thread has it\n"    \
  "already and would wait for itself; in all these cases it is not acquired. MutexError (EAGAIN): a recursive\n" \
  "one is held 1048576 times, the most there is. ValueError and OverflowError for a timeout that makes no\n"     \
  "sense, ValueError if the mutex is closed.\n"                                                                  \
  "\n"                                                                                                           \
  "    if mutex.acquire(timeout=2.5):\n"                                                                         \
  "        try:\n"                                                                                               \
  "            sell_one()\n"                                                                                     \
  "        finally:\n"                                                                                           \
  "            mutex.release()"

#define DOC_RELEASE                                                                                            \
  "release($self, /)\n"                                                                                        \
  "--\n"                                                                                                       \
  "\n"                                                                                                         \
  "Release the lock; a recursive one, once.\n"                                                                 \
  "\n"                                                                                                         \
  "Raises NotOwnerError, a RuntimeError, if the calling thread does not hold it, ValueError if the mutex is\n" \
  "closed.\n"                                                                                                  \
  "\n"                                                                                                         \
  "    mutex.acquire()\n"                                                                                      \
  "    try:\n"                                                                                                 \
  "        sell_one()\n"                                                                                       \
  "    finally:\n"                                                                                             \
  "        mutex.release()"

#define DOC_LOCK                                                                   \
  "lock($self, /, blocking=True, timeout=None)\n"                                  \
  "--\n"                                                                           \
  "\n"                                                                             \
  "acquire() under its C name. timeout is in seconds; None waits without limit.\n" \
  "\n"                                                                             \
  "Returns and raises what acquire() does.\n"                                      \
  "\n"                                                                             \
  "    if not mutex.lock(timeout=0.1):\n"                                          \
  "        print('busy')"

#define DOC_UNLOCK                                                                                          \
  "unlock($self, /)\n"                                                                                      \
  "--\n"                                                                                                    \
  "\n"                                                                                                      \
  "release() under its C name.\n"                                                                           \
  "\n"                                                                                                      \
  "Raises NotOwnerError if the calling thread does not hold the lock, ValueError if the mutex is closed.\n" \
  "\n"                                                                                                      \
  "    mutex.lock()\n"                                                                                      \
  "    mutex.unlock()"

#define DOC_ENTER                                           \
  "__enter__($self, /)\n"                                   \
  "--\n"                                                    \
  "\n"                                                      \
  "Acquire the lock, as acquire(), and return the mutex.\n" \
  "\n"                                                      \
  "Raises what acquire() does.\n"                           \
  "\n"                                                      \
  "    with mutex:\n"                                       \
  "        sell_one()"

#define DOC_EXIT                                                                                            \
  "__exit__($self, exc_type, exc_value, traceback, /)\n"                                                    \
  "--\n"                                                                                                    \
  "\n"                                                                                                      \
  "Release the lock, as release(). An exception inside goes on. A child that was forked inside the block\n" \
  "leaves it silently, holding nothing.\n"                                                                  \
  "\n"                                                                                                      \
  "Raises what release() does.\n"                                                                           \
  "\n"                                                                                                      \
  "    with mutex:\n"                                                                                       \
  "        raise KeyError  # leaves the block, and the lock is free"

#define DOC_CLOSE                                                                                               \
  "close($self, /)\n"                                                                                           \
  "--\n"                                                                                                        \
  "\n"                                                                                                          \
  "Give the lock file, or the buffer, back to the system. The lock itself stays for others. Closing twice is\n" \
  "allowed.\n"                                                                                                  \
  "\n"                                                                                                          \
  "Raises MutexError (EBUSY), the mutex still open, while another thread waits in it, or if it is the last\n"   \
  "of this process for its lock and a thread of this process holds that.\n"                                     \
  "\n"                                                                                                          \
  "    mutex = shmutex.SharedMutex('/dev/shm/stock.lock')\n"                                                    \
  "    try:\n"                                                                                                  \
  "        ...\n"                                                                                               \
  "    finally:\n"                                                                                              \
  "        mutex.close()"

#define DOC_UNLINK                                                                                               \
  "unlink($self, /)\n"                                                                                           \
  "--\n"                                                                                                         \
  "\n"                                                                                                           \
  "Remove the lock for all its users; it must be free. Later acquisitions raise RemovedError, here too; a new\n" \
  "lock may be created at the path, or in the buffer with init=True. Works on poisoned locks.\n"                 \
  "\n"                                                                                                           \
  "Raises MutexError (EBUSY) while it is held, RemovedError if it was removed before, MutexPermissionError\n"    \
  "(EACCES, EPERM) if the system refuses.\n"                                                                     \
  "\n"                                                                                                           \
  "    mutex.unlink()\n"                                                                                         \
  "    mutex.close()"

#define DOC_FROM_BUFFER                                                                                         \
  "from_buffer($type, /, buffer, offset=0, *, recursive=False, fair=False, init=None, recover=None)\n"          \
  "--\n"                                                                                                        \
  "\n"                                                                                                          \
  "Return a mutex that lies in memory of yours: a bytearray, mmap, SharedMemory.buf, numpy array, any\n"        \
  "writable buffer.\n"                                                                                          \
  "\n"                                                                                                          \
  "buffer: a writable buffer, or a SharedMemory; SharedMutex.SIZE bytes from offset on, aligned to\n"           \
  "SharedMutex.ALIGN. It cannot be resized or\n"                                                                \
  "closed before close().\n"                                                                                    \
  "init: None initialises memory that is all zeros, exactly once however many processes try; True\n"            \
  "    initialises it now, whatever is there (it must not be in use); False only attaches.\n"                   \
  "recursive, fair, recover: as in SharedMutex().\n"                                                            \
  "\n"                                                                                                          \
  "In a subclass it does not call __init__().\n"                                                                \
  "\n"                                                                                                          \
  "A process that may write to the buffer can harm those who wait there: between processes that do not trust\n" \
  "each other use files. Such a mutex cannot be pickled.\n"                                                     \
  "\n"                                                                                                          \
  "Raises ValueError (too small, misaligned), BufferError (read-only), InvalidMutexError.\n"                    \
  "\n"                                                                                                          \
  "    memory = shared_memory.SharedMemory('stock', create=True, size=4096)\n"                                  \
  "    mutex = shmutex.SharedMutex.from_buffer(memory)"

#define DOC_LOCKED                                                                                         \
  "locked($self, /)\n"                                                                                     \
  "--\n"                                                                                                   \
  "\n"                                                                                                     \
  "Return True if any thread of any process holds the lock, a poisoned one included. Unless that is the\n" \
  "caller, it may be over before this returns. ValueError if the mutex is closed.\n"                       \
  "\n"                                                                                                     \
  "    >>> mutex.locked()\n"                                                                               \
  "    False"

#define DOC_REDUCE                                                                                              \
  "__reduce__($self, /)\n"                                                                                      \
  "--\n"                                                                                                        \
  "\n"                                                                                                          \
  "Pickle by path: the other end opens the same lock, which must still be there. Raises TypeError for a lock\n" \
  "in a buffer, ValueError if the mutex is closed."

#define DOC_IS_OWNED      \
  "_is_owned($self, /)\n" \
  "--\n"                  \
  "\n"                    \
  "For threading.Condition: the property owned."

#define DOC_RELEASE_SAVE      \
  "_release_save($self, /)\n" \
  "--\n"                      \
  "\n"                        \
  "For threading.Condition: release the lock however deep it is held, and return the depth."

#define DOC_ACQUIRE_RESTORE                                                                                 \
  "_acquire_restore($self, depth, /)\n"                                                                     \
  "--\n"                                                                                                    \
  "\n"                                                                                                      \
  "For threading.Condition: acquire the lock as deep as _release_save() found it; signals do not end the\n" \
  "wait."

#define DOC_AT_FORK_REINIT      \
  "_at_fork_reinit($self, /)\n" \
  "--\n"                        \
  "\n"                          \
  "For threading.Condition: nothing to do; a forked child holds nothing already."

#define DOC_OWNED                                                                    \
  "True if the calling thread holds the lock; False, too, if the mutex is closed.\n" \
  "\n"                                                                               \
  "    >>> with mutex: mutex.owned\n"                                                \
  "    True"

#define DOC_OWNER                                                                                               \
  "Which thread of which process holds the lock, as Owner(pid, tid), a poisoned one included. None if it\n"     \
  "is free, or if the owner lives in another boot or PID namespace. Unless that is the caller, it may be over " \
  "before\n"                                                                                                    \
  "this returns. ValueError if the mutex is closed.\n"                                                          \
  "\n"                                                                                                          \
  "    >>> mutex.owner\n"                                                                                       \
  "    Owner(pid=4711, tid=4711)"

#define DOC_DEPTH                                                                                                      \
  "How often its owner, this thread or another, holds the lock; 0 if it is free. ValueError if the mutex is closed.\n" \
  "\n"                                                                                                                 \
  "    >>> with mutex: mutex.depth\n"                                                                                  \
  "    1"

#define DOC_TOKEN                                                                                              \
  "The fencing token of the latest acquisition, an int. Each acquisition but a recursive one adds one; the\n"  \
  "numbers of a path never go back. A store that remembers the highest token seen can reject the late write\n" \
  "of an owner presumed dead. ValueError if the mutex is closed.\n"                                            \
  "\n"                                                                                                         \
  "    with mutex:\n"                                                                                          \
  "        store.write(value, token=mutex.token)"

#define DOC_PATH                                                               \
  "The path as it was given, str or bytes; None if the lock is in a buffer.\n" \
  "\n"                                                                         \
  "    >>> mutex.path\n"                                                       \
  "    '/dev/shm/stock.lock'"

#define DOC_CLOSED         \
  "True after close().\n"  \
  "\n"                     \
  "    >>> mutex.closed\n" \
  "    False"

#endif
