"""Timeouts instead of hanging; and mistakes that would hang with other locks."""

import multiprocessing
import os
import tempfile

import shmutex


def hold(mutex, ready, over):
    with mutex:
        ready.set()
        over.wait()


with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
    mutex = shmutex.SharedMutex(os.path.join(directory, "printer.lock"))
    context = multiprocessing.get_context("fork")
    ready, over = context.Event(), context.Event()
    holder = context.Process(target=hold, args=(mutex, ready, over))
    holder.start()
    ready.wait()

    if not mutex.acquire(timeout=0.2):
        print("busy for 0.2 s; held by process", mutex.owner.pid)
    print("and at once:", mutex.acquire(blocking=False))
    over.set()
    with mutex:
        print("ours now")
        try:
            mutex.acquire()  # would wait for itself
        except shmutex.DeadlockError as error:
            print(error)
    holder.join()
print("OK: nothing hangs")
