#!/usr/bin/python3
"""Runs the benchmark programs of a build folder, side by side and interleaved, and writes the report.

    run.py BUILD_DIR [--out build/bench] [--quick] [--only PART]...

Parts: uncontended, contended, shares, waits, handover, death, lifecycle, memory. A part that is not run this time keeps the
figures of the last report, if there is one. Always exits with 0 when everything could be measured: it reports, and judges nothing.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import conditions
from report import plots, readme, summary, tables

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
    """All locks for as many rounds, and as long in each."""
    size = {"locks": f"{HEADLINE},{PEERS}", "seconds": 0.1 if quick else 0.4, "rounds": 2 if quick else 5}
    return run.lines("contended", **size) + run.lines("contended", **size, section=1000, think=400)


def shares(run, quick):
    """What each process got, which evens out with time only: longer, and of two locks."""
    return run.lines("contended", locks=HEADLINE, seconds=0.3 if quick else 1, rounds=2 if quick else 3)


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


PARTS = {part.__name__: part for part in (uncontended, contended, shares, waits, handover, death, lifecycle, memory)}


def peers():
    """Versions of what the locks come from. Those of the kernel and of the C library are in machine()."""
    found = re.search(r'#define BOOST_LIB_VERSION "([^"]*)"', Path("/usr/include/boost/version.hpp").read_text())
    header = (Path(__file__).resolve().parent.parent / "capi/include/shmutex/shmutex.h").read_text()
    ours = re.findall(r"#define SHMUTEX_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header)
    return {"shmutex": ".".join(ours), "Boost": found[1].replace("_", ".") if found else "unknown"}


def measure(arguments, results):
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"Something else is running (load {load:.1f}): expect wide spreads.")
    results["machine"] = {
        **conditions.machine(),
        "date": time.strftime("%Y-%m-%d"),
        "load_before": load,
        "peers": peers(),
    }
    seen = results.setdefault("conditions", {})
    programs = Programs(Path(arguments.build) / "bench")
    for name in arguments.only or PARTS:
        print(f"{name} …", end=" ", flush=True)
        start = time.monotonic()
        with conditions.Watch() as watch:
            results[name] = PARTS[name](programs, arguments.quick)
        seen[name] = watch.seen
        idle = "" if conditions.was_idle(watch.seen) else ": " + conditions.sentence([watch.seen])
        print(f"{time.monotonic() - start:.0f} s{idle}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", help="configured and built with SHMUTEX_BUILD_BENCH=ON")
    parser.add_argument(
        "--out",
        default=str(Path(__file__).resolve().parent.parent / "build" / "bench"),
        help="where the report goes; build/bench if not given",
    )
    parser.add_argument("--quick", action="store_true", help="half a minute, for a first look; figures are less steady")
    parser.add_argument(
        "--render", action="store_true", help="measure nothing: the report again, from its results.json"
    )
    parser.add_argument("--readme", type=Path, help="a README.md, whose table of speeds is replaced")
    parser.add_argument("--only", action="append", choices=PARTS, help="run this part; may be given several times")
    arguments = parser.parse_args()

    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    stored = out / "results.json"
    again = arguments.only or arguments.render
    results = json.loads(stored.read_text()) if again and stored.exists() else {}
    if not arguments.render:
        measure(arguments, results)
    targets = summary.judge(results)
    results["summary"] = targets
    stored.write_text(json.dumps(results, indent=0) + "\n")
    (out / "results.md").write_text(tables.document(results))
    plots.draw(results, out)
    if arguments.readme:
        readme.write(results, arguments.readme)
    print("\n" + tables.targets(targets))
    print(f"\nIn full: {out / 'results.md'}")


if __name__ == "__main__":
    main()
