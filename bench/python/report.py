"""From figures to ratios, targets, and a page in Markdown."""

import datetime
import os
import platform
import re
import statistics
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))
import conditions

BASE = "threading.Lock"
OURS = "shmutex.SharedMutex"
PEER = "multiprocessing.Lock"
# At most this much of threading.Lock's time, and less than multiprocessing.Lock's.
TARGETS = {"with lock: pass": 0.75, "acquire() + release()": 0.65, "acquire(timeout=1) + release()": 0.60}
# At least so many times multiprocessing.Lock's throughput.
CONTENDED_TARGET = 1.5


def median_ratio(values, base):
    """The median over the repeats of the ratio within each: what disturbs the machine disturbs both."""
    return statistics.median(each / other for each, other in zip(values, base))


def targets(alone, together):
    """[(what, target, ratio, reached)]"""
    rows = []
    for title, times in alone.items():
        ours = times[OURS]
        ratio = median_ratio(ours, times[BASE])
        rows.append((f"{title}: of {BASE}", f"≤ {TARGETS[title]:.2f}", ratio, ratio <= TARGETS[title]))
        ratio = median_ratio(ours, times[PEER])
        rows.append((f"{title}: of {PEER}", "< 1", ratio, ratio < 1))
    for title, rates in together.items():
        ratio = median_ratio(rates[OURS], rates[PEER])
        rows.append((f"{title}: of {PEER}", f"≥ {CONTENDED_TARGET:.2f}", ratio, ratio >= CONTENDED_TARGET))
    return rows


def number(value):
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}"


def table(results, base, scale):
    """A row for each lock, three columns for each case: median, fastest to slowest, ratio."""
    names = list(dict.fromkeys(name for values in results.values() for name in values))
    lines = ["| lock | " + " | ".join(f"{title} | range | ratio" for title in results) + " |"]
    lines.append("| --- |" + " ---: |" * 3 * len(results))
    for name in names:
        cells = [name]
        for values in results.values():
            if name not in values:
                cells += ["–"] * 3
                continue
            scaled = [each * scale for each in values[name]]
            cells += [number(statistics.median(scaled)), f"{number(min(scaled))} … {number(max(scaled))}"]
            cells.append(f"{median_ratio(values[name], values[base]):.2f}")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def processor():
    with open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def about(facts):
    """The interpreter, the machine, and the versions of the other locks' packages."""
    words = ", ".join(value for value in facts.values() if isinstance(value, str) and not value.startswith("load"))
    versions = facts.get("versions")
    if versions is None:
        return f"{words}. The versions of the other packages were not recorded."
    return f"{words}; " + ", ".join(f"{name} {version}" for name, version in versions.items()) + "."


def known_conditions(facts):
    load = re.search(r"load average ([\d.]+)", facts.get("load", ""))
    return [facts["conditions"]] if "conditions" in facts else [], float(load[1]) if load else None


def page(facts, alone, together, missing):
    lines = ["# Measured: Python", ""]
    lines += [
        "Written by `./dev bench`; every figure is in python.json. All locks were measured side by side in one run, in "
        "turns, so ratios mean more than absolute figures.",
        "",
        about(facts),
        "",
        conditions.sentence(*known_conditions(facts)),
        "",
    ]
    if missing:
        lines += ["Not installed, so not measured: " + ", ".join(missing) + ".", ""]
    lines += ["## Targets", "", "| figure | target | ratio | |", "| --- | ---: | ---: | --- |"]
    for what, target, ratio, reached in targets(alone, together):
        lines.append(f"| {what} | {target} | {ratio:.2f} | {'reached' if reached else '**MISSED**'} |")
    lines += ["", "## Nobody else about", "", f"Nanoseconds of CPU time; ratios to `{BASE}`.", ""]
    lines += table(alone, BASE, 1)
    lines += ["", "## Contended", ""]
    lines += [f"Processes increment one counter under the lock: 1000 increments per second; ratios to `{PEER}`.", ""]
    lines += table(together, PEER, 0.001)
    return "\n".join(lines) + "\n"


def facts(python, version):
    return {
        "python": f"Python {python}",
        "shmutex": f"shmutex {version}",
        "processor": processor(),
        "cpus": f"{os.cpu_count()} CPUs",
        "kernel": f"Linux {platform.release()}",
        "date": datetime.date.today().isoformat(),
        "load": f"load average {os.getloadavg()[0]:.2f} before",
    }
