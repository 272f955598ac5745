"""Processes to test with. They say what they have done in lines, and wait for a line before they go on."""

import os
import signal
import subprocess
import sys
import textwrap
import time

PRELUDE = """
import os, signal, sys, threading, time
signal.alarm(140)
import shmutex
def say(*words): print(*words, flush=True)
def hear(): return sys.stdin.readline().strip()
"""

HOLD = """
mutex = shmutex.SharedMutex(sys.argv[1])
mutex.acquire()
say('held')
hear()
mutex.release()
say('released')
hear()
"""


class Process:
    def __init__(self, code, *arguments, prelude=PRELUDE, options=()):
        self.process = subprocess.Popen(
            [sys.executable, *options, "-c", prelude + textwrap.dedent(code), *map(os.fsdecode, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.pid = self.process.pid

    def hear(self):
        line = self.process.stdout.readline()
        assert line, "it ended: " + self.process.stderr.read()
        return line.strip()

    def expect(self, line):
        heard = self.hear()
        assert heard == line, (heard, line)
        return self

    def tell(self, line=""):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """SIGKILL, and gone."""
        self.signal(signal.SIGKILL)
        self.process.wait(60)

    def finish(self):
        """Waits for its end; returns (status, stdout, stderr)."""
        out, err = self.process.communicate(timeout=120)
        return self.process.returncode, out, err

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                stream.close()
            except OSError:
                pass
        self.process.wait(60)

    def wait_until_asleep(self):
        """Until its main thread sleeps in the kernel, in a futex."""
        poll(lambda: is_in_futex(self.pid, self.pid))
        return self


def poll(condition):
    """Until it is so; the watchdog ends a test in which it never is."""
    while not condition():
        time.sleep(0.001)


FUTEX = {"x86_64": "202 ", "aarch64": "98 "}[os.uname().machine]


def is_in_futex(pid, tid):
    try:
        with open(f"/proc/{pid}/task/{tid}/syscall") as file:
            return file.read().startswith(FUTEX)
    except OSError:
        return False


def die_holding(spawn, path, **options):
    """A process that dies inside."""
    spawn(
        f"m = shmutex.SharedMutex(sys.argv[1], **{options!r}); m.acquire(); os.kill(os.getpid(), 9)", path
    ).process.wait(60)
