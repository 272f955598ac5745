"""The table of speeds in README.md, between its two marks."""

import re

import conditions
from report.figures import collect

LOCKS = ("shmutex", "glibc-robust", "glibc-plain", "sem_t", "flock")
HEAD = ("", "libshmutex", "pthread robust", "pthread plain", "`sem_t`", "`flock`")
THINK_NS = 50
MARKED = re.compile(r"(<!-- speed: begin\b.*?-->\n).*?(<!-- speed: end -->)", re.DOTALL)


def _rows(results):
    ns = collect(results["uncontended"], ["case"], "ns")
    short = [row for row in results["contended"] if row["section_ns"] == 0 and row["think_ns"] == THINK_NS]
    rates = collect(short, ["lock", "processes"], "per_second")
    asleep = collect([row for row in results["handover"] if row["kind"] == "asleep"], ["lock"], "median_ns")
    yield "uncontended lock and unlock, ns", [f"{ns[f'alone/{lock}'].median:.0f}" for lock in LOCKS]
    yield (
        "the same in a process with several threads, ns",
        [f"{ns[f'two-threads/{lock}'].median:.0f}" for lock in LOCKS],
    )
    for processes in sorted({processes for _, processes in rates}):
        what = f"{processes} processes"
        if processes == 2:
            what += f" contending, {THINK_NS} ns between, million locks per second"
        yield what, [f"{rates[lock, processes].median / 1e6:.1f}" for lock in LOCKS]
    yield "hand-over to a sleeper, µs", [f"{asleep[lock].median / 1000:.1f}" for lock in LOCKS]


def block(results):
    machine = results["machine"]
    table = ["| " + " | ".join(HEAD) + " |", "| --- " * len(HEAD) + "|"]
    table += ["| " + " | ".join([what, *cells]) + " |" for what, cells in _rows(results)]
    seen = list(results.get("conditions", {}).values())
    about = f"{machine['processor']}, {machine['cpus']} CPUs, Linux {machine['kernel']}, {machine['libc']}, {machine['date']}."
    return "\n" + "\n".join(table) + f"\n\n{about}\n{conditions.sentence(seen, machine.get('load_before'))}\n\n"


def write(results, path):
    text = path.read_text()
    changed, marks = MARKED.subn(lambda found: found[1] + block(results) + found[2], text)
    if marks != 1:
        raise SystemExit(f"{path} has {marks} places for the table of speeds")
    path.write_text(changed)
