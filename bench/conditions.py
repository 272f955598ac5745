#!/usr/bin/env python3
"""On what, and how undisturbed, a measurement ran: the machine, and who else used its processors meanwhile.

    conditions.py PAGE COMMAND…

runs COMMAND, and adds to PAGE a sentence about the machine during it. Exits with COMMAND's status.
"""

import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

# Above these parts of the processors' time, figures are another machine's.
STEAL_LIMIT = 0.01
OTHERS_LIMIT = 0.02


def machine():
    models = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "processor": models[0] if models else platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "libc": " ".join(platform.libc_ver()),
    }


class Watch:
    """with Watch() as watch: …; then watch.seen says who had the processors meanwhile, as parts of all their time.

    Steal is the hypervisor's; others are processes that are neither this one nor children that it has waited for.
    """

    def __enter__(self):
        self.load = os.getloadavg()[0]
        self.before = self._times()
        return self

    def __exit__(self, *_):
        busy, steal, total, own = (now - then for now, then in zip(self._times(), self.before))
        total = max(total, 1e-9)
        self.seen = {
            "date": time.strftime("%Y-%m-%d"),
            "load_before": round(self.load, 2),
            "steal": round(steal / total, 4),
            "others": round(max(busy - own, 0) / total, 4),
        }

    @staticmethod
    def _times():
        fields = [int(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
        user, nice, system, _idle, _iowait, irq, softirq, steal = (field / os.sysconf("SC_CLK_TCK") for field in fields)
        total = sum(fields) / os.sysconf("SC_CLK_TCK")
        return user + nice + system + irq + softirq, steal, total, sum(os.times()[:4])


def was_idle(seen):
    return seen["steal"] <= STEAL_LIMIT and seen["others"] <= OTHERS_LIMIT


def sentence(conditions, load_before=None):
    """Of what Watch has seen, once or several times; without any, of the load before, which is all that is known."""
    if not conditions:
        known = "" if load_before is None else f" (load average {load_before:.2f} before it)"
        return f"Whether the machine was idle during the run was not measured{known}: the figures may be disturbed."
    steal, others = (max(seen[what] for seen in conditions) for what in ("steal", "others"))
    figures = f"other processes had at most {others:.1%} of the processors, the hypervisor {steal:.1%}"
    if all(map(was_idle, conditions)):
        return f"The machine was idle but for the measurement: {figures}."
    return f"**The machine was not idle**: {figures}. The figures are disturbed."


def main():
    with Watch() as watch:
        status = subprocess.run(sys.argv[2:]).returncode
    about = machine()
    with Path(sys.argv[1]).open("a") as page:
        page.write(
            f"\n{about['processor']}, {about['cpus']} CPUs, Linux {about['kernel']}, {about['libc']}, "
            f"{watch.seen['date']}. {sentence([watch.seen])}\n"
        )
    return status


if __name__ == "__main__":
    sys.exit(main())
