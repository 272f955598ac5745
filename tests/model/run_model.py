#!/usr/bin/env python3
"""Checks the model of the plain lock (plain_lock.pml) with spin: the protocol, and that every weakened one is found out.

  run_model.py holds     configurations that must hold; a few minutes on two cores
  run_model.py broken    one weakening at a time; each must be caught
  run_model.py --full    both, and the large configurations: half an hour, 8 GB

Needs spin and a C compiler. Exit status: 0 all as expected, 1 not, 77 spin is not installed.
"""

import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

MODEL = Path(__file__).resolve().parent / "plain_lock.pml"
HOLDS, STUCK, ASSERTION = "holds", "stuck", "assertion"
SKIPPED = 77


@dataclass(frozen=True)
class Case:
    name: str
    switches: str  # of the model
    expected: str = HOLDS
    may_end_asleep: bool = False  # only safety is asked for


# Every configuration that must hold is also checked for the structure: who sleeps where, with what pending, and W.
BOUNDED = [
    Case("3 threads, 1 kill", ""),
    Case("3 threads, 2 kills", "KILLS=2"),
    Case("owner_died kept, time-out or signal", "KEEP EVENTS=1"),
    Case("trylock, WAKE_OP refused now and then", "TRYLOCK REFUSED=1"),
    Case("WAKE_OP refused always, owner_died kept", "KEEP REFUSED=2"),
    Case("hint", "HINT EVENTS=1"),
    Case("pending left set while held", "PENDING_STAYS KEEP"),
    Case("2 threads, twice, everything", "THREADS=2 ROUNDS=2 KILLS=2 EVENTS=2 KEEP REFUSED=1 TRYLOCK HINT"),
    Case("the probe beside the kernel", "PROBE EVENTS=1"),
    Case("a death not reported, and the probe", "PROBE LOST_NOTICES=1 EVENTS=2 KEEP", may_end_asleep=True),
    Case("a death not reported, and a trylock's probe", "PROBE TRYLOCK LOST_NOTICES=1 KEEP", may_end_asleep=True),
]

FULL = [
    Case("3 threads, 2 events", "EVENTS=2 KEEP"),
    Case("3 threads, 2 kills, everything", "KILLS=2 EVENTS=1 KEEP REFUSED=1 TRYLOCK HINT"),
    Case("3 threads, twice", "ROUNDS=2"),
    Case(
        "3 threads, 2 kills, 2 of them not reported", "PROBE KILLS=2 LOST_NOTICES=2 EVENTS=2 KEEP", may_end_asleep=True
    ),
    Case("4 threads, 1 kill", "THREADS=4"),
    Case("4 threads, 1 kill, owner_died kept, WAKE_OP refused", "THREADS=4 KEEP REFUSED=1"),
]

BROKEN = [
    Case("unlock stores 0 and wakes in two steps", "BREAK_TWO_STEPS", STUCK),
    Case("unlock wakes before it stores", "BREAK_WAKE_BEFORE_STORE", STUCK),
    Case("unlock clears W after an empty wake", "BREAK_CLEAR_AFTER_EMPTY_WAKE THREADS=4", STUCK),
    Case("no baton: all sleep on the word", "BREAK_NO_BATON THREADS=4", STUCK),
    Case("baton woken only if a sleeper marked it", "BREAK_BATON_WOKEN_IF_MARKED THREADS=4", STUCK),
    Case("baton never woken", "BREAK_BATON_NEVER_WOKEN", STUCK),
    Case("baton taken without W", "BREAK_BATON_TAKEN_WITHOUT_WAITERS", STUCK),
    Case("barger drops W, WAKE_OP refused", "BREAK_BARGER_DROPS_WAITERS REFUSED=1", STUCK),
    Case("pending cleared before the word is linked", "BREAK_CLEARED_BEFORE_LINKED", STUCK),
    Case("head drops owner_died", "BREAK_TAKE_DROPS_DIED KEEP", ASSERTION),
    Case("a kernel without the pending wake", "BREAK_KERNEL_WITHOUT_PENDING_WAKE", STUCK),
    Case("no pending store: fast path", "BREAK_PENDING=1", STUCK),
    Case("no pending store: spin", "BREAK_PENDING=2", STUCK),
    Case("no pending store: queue", "BREAK_PENDING=3", STUCK),
    Case("no pending store: try past the queue", "BREAK_PENDING=4 EVENTS=1", STUCK),
    Case("no pending store: back in the queue", "BREAK_PENDING=5 EVENTS=1 THREADS=4", STUCK),
    Case("no pending store: head", "BREAK_PENDING=6", STUCK),
    Case("no pending store: leave", "BREAK_PENDING=7", STUCK),
    Case("no pending store: trylock", "BREAK_PENDING=8 TRYLOCK", STUCK),
    Case("no pending store: release", "BREAK_PENDING=9", STUCK),
    Case(
        "no pending store: probe",
        "BREAK_PENDING=10 PROBE LOST_NOTICES=1 KILLS=2 EVENTS=1",
        ASSERTION,
        may_end_asleep=True,
    ),
    Case(
        "no pending store: a trylock's probe",
        "BREAK_PENDING=11 PROBE TRYLOCK LOST_NOTICES=1 KILLS=2 EVENTS=1",
        ASSERTION,
        may_end_asleep=True,
    ),
    # The structure's own assertions bite, too.
    Case("monitor: W cleared under the head", "BREAK_TWO_STEPS STRUCTURE", ASSERTION),
    Case("structure: asleep without pending", "BREAK_PENDING=3 STRUCTURE", ASSERTION),
]


@dataclass
class Outcome:
    verdict: str
    states: str
    depth: str
    seconds: float
    text: str


def run(command, cwd):
    return subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def verdict_of(text):
    """What pan says; anything but a finished search or an error found is "incomplete"."""
    cut_short = "Search not completed" in text and "errors: 0" in text
    if cut_short or "max search depth too small" in text or "out of memory" in text:
        return "incomplete"
    if "invalid end state" in re.sub(r"invalid end states\s.*", "", text):
        return STUCK
    if "assertion violated" in re.sub(r"assertion violations\s.*", "", text):
        return ASSERTION
    return HOLDS if "errors: 0" in text else "incomplete"


def check(case, memory_mb):
    switches = case.switches.split()
    if case.expected == HOLDS:
        switches += ["STRUCTURE", "FATE"]
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="shmutex-model-") as folder:
        made = run(["spin", "-a", *(f"-D{switch}" for switch in switches), str(MODEL)], folder)
        if made.returncode == 0:
            compiler = os.environ.get("CC", "gcc")
            level = "-O1" if case.expected == HOLDS else "-O0"  # broken ones are found before the compiler pays
            flags = [level, "-w", "-DSAFETY", "-DCOLLAPSE", f"-DMEMLIM={memory_mb}"]
            made = run([compiler, *flags, "pan.c", "-o", "pan"], folder)
        if made.returncode != 0:
            return Outcome("not built", "-", "-", time.monotonic() - start, made.stdout)
        command = ["./pan", "-m100000", "-w22"]
        if case.may_end_asleep:
            command.append("-E")
        text = run(command, folder).stdout
        steps = ""
        if verdict_of(text) != case.expected and list(Path(folder).glob("*.trail")):
            steps = run(["./pan", "-r", "-n"], folder).stdout
    states = re.search(r"([0-9.e+]+) states, stored", text)
    depth = re.search(r"depth reached (\d+)", text)
    return Outcome(
        verdict_of(text),
        states.group(1) if states else "-",
        depth.group(1) if depth else "-",
        time.monotonic() - start,
        text + steps,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=["holds", "broken"], help="one part only")
    parser.add_argument("--full", action="store_true", help="the large configurations, too")
    parser.add_argument("--memory", type=int, metavar="MB", help="limit for one search (1800; full: 14000)")
    parser.add_argument("--jobs", type=int, metavar="N", help="searches at a time (2; full: 1)")
    options = parser.parse_args()
    if shutil.which("spin") is None:
        print("spin is not installed: skipped")
        return SKIPPED
    cases = {"holds": BOUNDED, "broken": BROKEN, None: BOUNDED + BROKEN}[options.part]
    if options.full:
        cases = cases + FULL
    memory = options.memory or (14000 if options.full else 1800)
    jobs = options.jobs or (1 if options.full else 2)

    print(f"{'configuration':<52} {'expected':<10} {'verdict':<11} {'states':>12} {'depth':>6} {'s':>6}", flush=True)
    wrong = 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for case, outcome in zip(cases, pool.map(lambda c: check(c, memory), cases)):
            print(
                f"{case.name:<52} {case.expected:<10} {outcome.verdict:<11} {outcome.states:>12} {outcome.depth:>6}"
                f" {outcome.seconds:>6.1f}",
                flush=True,
            )
            if outcome.verdict != case.expected:
                wrong += 1
                print(f"  switches: {case.switches}\n{outcome.text}", flush=True)
    print(f"{len(cases)} configurations, {wrong} not as expected")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
