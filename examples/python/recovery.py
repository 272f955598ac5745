"""A process is killed in the middle of an update. The next owner is told, and repairs the data."""

import json
import multiprocessing
import os
import signal
import tempfile

import shmutex


def write(path, data):
    with open(path, "w") as file:
        json.dump(data, file)


def read(path):
    with open(path) as file:
        return json.load(file)


def repair(mutex):
    """Called with the lock held. What it returns declares the data repaired; False would poison the lock."""
    before = read(journal)
    print("the owner, thread", mutex.info().last_dead_tid, "died inside; back to", before)
    write(stock, before)


def die_in_mid_update(mutex):
    with mutex:
        write(journal, read(stock))
        write(stock, {"apples": -1})  # half done
        os.kill(os.getpid(), signal.SIGKILL)


with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
    stock, journal = os.path.join(directory, "stock"), os.path.join(directory, "journal")
    write(stock, {"apples": 5})
    path = os.path.join(directory, "stock.lock")
    mutex = shmutex.SharedMutex(path, recover=repair)
    worker = multiprocessing.get_context("fork").Process(target=die_in_mid_update, args=(mutex,))
    worker.start()
    worker.join()

    # Without a recovery function nobody enters unaware:
    try:
        shmutex.SharedMutex(path).acquire()
    except shmutex.OwnerDiedError as error:
        print(error)

    with mutex:
        print("stock:", read(stock))
        assert read(stock) == {"apples": 5}
print("OK: repaired")
