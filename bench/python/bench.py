#!/usr/bin/env python3
"""Measures shmutex.SharedMutex against Python's other locks, in one interleaved run, as ratios to threading.Lock.

    bench.py [--quick] [--output DIRECTORY] [--environment DIRECTORY]

Uncontended: nanoseconds per cycle of `with lock: pass`, acquire() + release(), and acquire(timeout=1) + release().
Contended: processes increment one shared counter under the lock; ratios to multiprocessing.Lock.
Writes python.md and python.json into the output directory. Exits with 1 if a target is missed, a peer could not be
measured, or a count is wrong.
"""

import argparse
import json
import mmap
import multiprocessing
import pathlib
import struct
import sys
import tempfile
import time

import environment


def with_lock(lock, rounds):
    for _ in range(rounds):
        with lock:
            pass


def acquire_release(lock, rounds):
    acquire, release = lock.acquire, lock.release
    for _ in range(rounds):
        acquire()
        release()


def acquire_timeout(lock, rounds):
    acquire, release = lock.acquire, lock.release
    for _ in range(rounds):
        acquire(timeout=1)
        release()


CASES = {
    "with lock: pass": with_lock,
    "acquire() + release()": acquire_release,
    "acquire(timeout=1) + release()": acquire_timeout,
}


def works(case, lock):
    try:
        case(lock, 1)
    except (TypeError, AttributeError):
        return False
    return True


def empty_loop(rounds):
    for _ in range(rounds):
        pass


def nanoseconds(function, *arguments):
    """Of the processor's time, since the machine may have other things to do."""
    start = time.thread_time_ns()
    function(*arguments)
    return time.thread_time_ns() - start


def uncontended(locks, repeats, rounds):
    """{case: {lock: [ns per cycle, …]}}; in each repeat every lock once, so that the machine's moods hit all alike."""
    results = {}
    loop = min(nanoseconds(empty_loop, rounds) for _ in range(20)) / rounds
    for title, case in CASES.items():
        times = {name: [] for name, lock, *_ in locks if works(case, lock)}
        for _ in range(repeats):
            for name, lock, cost, _ in locks:
                if name in times:
                    few = max(rounds // cost, 10)
                    times[name].append(nanoseconds(case, lock, few) / few - loop)
        results[title] = times
    return results


def count_up(lock, memory, start, rounds):
    if hasattr(lock, "reopen"):
        lock.reopen()
    start.wait()
    for _ in range(rounds):
        with lock:
            (value,) = struct.unpack_from("q", memory)
            struct.pack_into("q", memory, 0, value + 1)


def contended_once(lock, processes, rounds):
    """Increments per second."""
    context = multiprocessing.get_context("fork")
    memory = mmap.mmap(-1, 8)
    start = context.Barrier(processes + 1)
    workers = [context.Process(target=count_up, args=(lock, memory, start, rounds)) for _ in range(processes)]
    for worker in workers:
        worker.start()
    start.wait()
    begin = time.perf_counter()
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - begin
    if struct.unpack_from("q", memory) != (processes * rounds,):
        sys.exit(f"{lock!r} lost updates")
    return processes * rounds / seconds


def contended(locks, repeats, rounds):
    """{how many processes: {lock: [increments per second, …]}}"""
    results = {}
    chosen = [(name, lock, cost) for name, lock, cost, contended in locks if contended]
    for processes in (2, 4):
        rates = {name: [] for name, *_ in chosen}
        for _ in range(repeats):
            for name, lock, cost in chosen:
                few = rounds // (4 if "fair" in name else cost)
                rates[name].append(contended_once(lock, processes, few // processes))
        results[f"{processes} processes"] = rates
    return results


def parse_arguments():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description="Locks for Python, measured in one interleaved run")
    parser.add_argument("--quick", action="store_true", help="a short run, of less precision")
    parser.add_argument("--output", type=pathlib.Path, default=root / "build/bench", help="where the results go")
    parser.add_argument(
        "--environment", type=pathlib.Path, default=environment.default, help="where the other locks get installed"
    )
    return parser.parse_args()


def main():
    options = parse_arguments()
    environment.enter(options.environment)
    import peers

    import report
    import shmutex

    repeats, rounds, contended_repeats, contended_rounds = (
        (15, 10_000, 3, 20_000) if options.quick else (101, 20_000, 9, 100_000)
    )
    facts = report.facts(sys.version.split()[0], shmutex.__version__)
    with report.conditions.Watch() as watch, tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        locks, missing = peers.make_all(directory)
        alone = uncontended(locks, repeats, rounds)
        together = contended(locks, contended_repeats, contended_rounds)
    facts["versions"], facts["conditions"] = peers.versions(), watch.seen
    page = report.page(facts, alone, together, missing)
    print(page)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "python.md").write_text(page)
    figures = {**facts, "uncontended_ns": alone, "contended_per_second": together}
    (options.output / "python.json").write_text(json.dumps(figures, indent=1) + "\n")
    missed = [what for what, _, _, reached in report.targets(alone, together) if not reached]
    for what in missed:
        print("MISSED", what, file=sys.stderr)
    for name in missing:
        print("not measured:", name, file=sys.stderr)
    return 1 if missed or missing else 0


if __name__ == "__main__":
    sys.exit(main())
