"""Processes to test with. They say what they have done in lines, and wait for a line before they go on."""

import atexit
import faulthandler
import json
import os
import signal
import subprocess
import sys
import textwrap
import time

WATCHDOG = 200

# One that hangs says where.
PRELUDE = """
import faulthandler, os, signal, sys, threading, time
faulthandler.register(signal.SIGALRM, chain=True)
signal.alarm(180)
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


def start_watchdog():
    """Ends the tests, and says where they are, unless it is started anew in time: at each test, and at each step of its
    processes, since on a busy machine many of them take long."""
    faulthandler.dump_traceback_later(WATCHDOG, exit=True, file=sys.__stderr__)


class Process:
    def __init__(self, code, *arguments, prelude=PRELUDE, options=()):
        start_watchdog()
        self.process = subprocess.Popen(
            [sys.executable, *options, "-c", prelude + textwrap.dedent(code), *map(os.fsdecode, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.pid = self.process.pid

    def hear(self):
        start_watchdog()
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
        self.wait()

    def wait(self):
        """Until its end; returns the status."""
        start_watchdog()
        status = self.process.wait()
        assert status != -signal.SIGALRM, "it hung: " + self.process.stderr.read()
        return status

    def finish(self):
        """Waits for its end; returns (status, stdout, stderr)."""
        start_watchdog()
        out, err = self.process.communicate()
        return self.process.returncode, out, err

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                stream.close()
            except OSError:
                pass
        self.process.wait()

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


class _Undertaker:
    """A process that forks one that dies inside, whenever it is asked to: quicker than to start an interpreter each time."""

    CODE = """
import json, os, sys
import shmutex
for line in sys.stdin:
    path, options = json.loads(line)
    child = os.fork()
    if child == 0:
        shmutex.SharedMutex(path, **options).acquire()
        os.kill(os.getpid(), 9)
    print(os.waitpid(child, 0)[1], flush=True)
"""
    process = None

    @classmethod
    def bury(cls, path, options):
        if cls.process is None:
            cls.process = Process(cls.CODE, prelude="")
            atexit.register(cls.process.end)
        cls.process.tell(json.dumps([os.fsdecode(path), options])).expect("9")


def die_holding(path, **options):
    """A process that dies inside."""
    _Undertaker.bury(path, options)
