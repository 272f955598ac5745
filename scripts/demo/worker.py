"""worker.py LEDGER LOCK count N: increments the ledger N times; LOCK "-": without a lock. See ledger.h."""

import contextlib
import os
import sys

import shmutex


def read(ledger):
    first, second = os.pread(ledger, 64, 0).split()
    return int(first), int(second)


def write_first(ledger, value):
    os.pwrite(ledger, b"%020d " % value, 0)


def write_second(ledger, value):
    os.pwrite(ledger, b"%020d\n" % value, 21)


def main():
    _, path, lock, command, count = sys.argv
    assert command == "count"
    ledger = os.open(path, os.O_RDWR)

    def repair(mutex):
        first, second = read(ledger)
        found = "nothing was half done"
        if first != second:
            write_first(ledger, second)
            found = "found a half-done update and rolled it back"
        print(f"   Python worker {os.getpid()}: the last owner died inside; {found}", flush=True)

    guard = contextlib.nullcontext() if lock == "-" else shmutex.SharedMutex(lock, recover=repair)
    for _ in range(int(count)):
        with guard:
            first, second = read(ledger)
            write_first(ledger, first + 1)
            write_second(ledger, second + 1)


main()
