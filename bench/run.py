#!/usr/bin/python3
"""Runs the benchmark programs of a build folder, side by side and interleaved, and writes the report.

    run.py BUILD_DIR [--out build/bench] [--quick] [--only PART]...

Parts: uncontended, contended, waits, handover, death, lifecycle, memory. A part that is not run this time keeps the
figures of the last report, if there is one. Always exits with 0 when everything could be measured: it reports, and judges nothing.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from report import plots, summary, tables

HEADLINE = "shmutex,glibc-robust"
PEERS = (
    "shmutex-fair,shmutex-recursive,shmutex-buffer,glibc-plain,glibc-robust-pi,sem_t,flock,ofd-lock,"
    "boost-interprocess,boost-named"
)


class Programs:
    """Starts the C++ programs and reads what they print."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def _run(self, name, *arguments):
        command = [str(self.folder / name), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
        return done.stdout

    def lines(self, name, **options):
        arguments = [word for key, value in options.items() for word in (f"--{key}", value)]
        return [json.loads(line) for line in self._run(name, *arguments).splitlines()]

    def google(self, name, *leading, repetitions, seconds, pattern=".", clock="cpu_time"):
        """Google benchmark, its repetitions in random order: one row per benchmark and repetition."""
        output = self._run(
            name,
            *leading,
            "--benchmark_enable_random_interleaving=true",
            "--benchmark_format=json",
            f"--benchmark_repetitions={repetitions}",
            f"--benchmark_min_time={seconds}",
            f"--benchmark_filter={pattern}",
        )
        return [
            {"case": row["run_name"], "ns": row[clock]}
            for row in json.loads(output)["benchmarks"]
            if row["run_type"] == "iteration"
        ]


def uncontended(run, quick):
    size = {"repetitions": 9 if quick else 25, "seconds": 0.005 if quick else 0.01}
    return run.google("uncontended", **size) + run.google("uncontended", "second-thread", **size)


def contended(run, quick):
    """Ours and glibc's robust mutex for a second each time, for the shares; the others more briefly."""
    headline = {"locks": HEADLINE, "seconds": 0.3 if quick else 1, "rounds": 2 if quick else 3}
    others = {"locks": PEERS, "seconds": 0.05 if quick else 0.2, "rounds": 1 if quick else 3}
    rows = run.lines("contended", **headline)
    rows += run.lines("contended", **{**headline, "rounds": 2}, section=1000, think=400)
    rows += run.lines("contended", **others)
    return rows + run.lines("contended", **{**others, "rounds": 1}, section=1000, think=400)


def waits(run, quick):
    return run.lines(
        "contended", locks=HEADLINE, processes=8, waits=1, rounds=2 if quick else 5, seconds=0.3 if quick else 1
    )


def handover(run, quick):
    return run.lines("handover", rounds=3 if quick else 20, hops=100 if quick else 200)


def death(run, quick):
    return run.lines("death", rounds=20 if quick else 200)


def lifecycle(run, quick):
    return run.google("lifecycle", repetitions=5 if quick else 15, seconds=0.005 if quick else 0.02, clock="real_time")


def memory(run, quick):
    return run.lines("memory", rounds=1 if quick else 3)


PARTS = {part.__name__: part for part in (uncontended, contended, waits, handover, death, lifecycle, memory)}


def machine():
    processor = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "processor": processor,
        "cpus": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "libc": " ".join(platform.libc_ver()),
        "date": time.strftime("%Y-%m-%d"),
        "load_before": os.getloadavg()[0],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", help="configured and built with SHMUTEX_BUILD_BENCH=ON")
    parser.add_argument(
        "--out",
        default=str(Path(__file__).resolve().parent.parent / "build" / "bench"),
        help="where the report goes; build/bench if not given",
    )
    parser.add_argument("--quick", action="store_true", help="half a minute, for a first look; figures are less steady")
    parser.add_argument("--only", action="append", choices=PARTS, help="run this part; may be given several times")
    arguments = parser.parse_args()

    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    stored = out / "results.json"
    results = json.loads(stored.read_text()) if arguments.only and stored.exists() else {}
    results["machine"] = machine()
    if results["machine"]["load_before"] > 0.5:
        print(f"Something else is running (load {results['machine']['load_before']:.1f}): expect wide spreads.")
    programs = Programs(Path(arguments.build) / "bench")
    for name in arguments.only or PARTS:
        print(f"{name} …", end=" ", flush=True)
        start = time.monotonic()
        results[name] = PARTS[name](programs, arguments.quick)
        print(f"{time.monotonic() - start:.0f} s", flush=True)

    targets = summary.judge(results)
    results["summary"] = targets
    stored.write_text(json.dumps(results, indent=0) + "\n")
    (out / "results.md").write_text(tables.document(results))
    plots.draw(results, out)
    print("\n" + tables.targets(targets))
    print(f"\nIn full: {out / 'results.md'}")


if __name__ == "__main__":
    main()
