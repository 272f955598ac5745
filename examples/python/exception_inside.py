"""An exception inside the critical section: `with` releases the lock on every way out."""

import os
import tempfile

import shmutex

with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
    mutex = shmutex.SharedMutex(os.path.join(directory, "accounts.lock"))
    accounts = {"alice": 10, "bob": 0}

    def transfer(amount):
        with mutex:
            if accounts["alice"] < amount:
                raise ValueError("not enough money")  # the lock is released on the way
            accounts["alice"] -= amount
            accounts["bob"] += amount

    transfer(7)
    try:
        transfer(7)
    except ValueError as error:
        print("second transfer:", error)
    assert not mutex.locked()

    # Without `with`, the same by hand:
    mutex.acquire()
    try:
        print("accounts:", accounts)
    finally:
        mutex.release()

    # Releasing what one does not hold is an error, not a silent mistake.
    try:
        mutex.release()
    except shmutex.NotOwnerError as error:
        print(error)
print("OK: released on every way out")
