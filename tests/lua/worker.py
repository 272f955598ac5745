"""The same as worker.c, in Python: worker.py LOCK NUMBERS increment COUNT | die."""

import os
import signal
import sys

import shmutex

LOCK, NUMBERS, ACTION = sys.argv[1:4]
DIES = ACTION == "die"
numbers = os.open(NUMBERS, os.O_RDWR)


def write_number(which, value):
    os.pwrite(numbers, b"%020d\n" % value, which * 21)


def read_number(which):
    return int(os.pread(numbers, 20, which * 21))


mutex = shmutex.SharedMutex(LOCK, recover=lambda mutex: write_number(0, read_number(1)))
for _ in range(1 if DIES else int(sys.argv[4])):
    with mutex:
        value = read_number(0)
        assert value == read_number(1), "half changed"
        write_number(0, value + 1)
        if DIES:
            os.kill(os.getpid(), signal.SIGKILL)
        write_number(1, value + 1)
mutex.close()
