"""The report in words and tables."""

from collections import defaultdict

import conditions
from report.figures import collect

NAMES = {
    "shmutex": "shmutex, plain",
    "shmutex-fair": "shmutex, fair",
    "shmutex-recursive": "shmutex, recursive",
    "shmutex-buffer": "shmutex in a buffer",
    "glibc-robust": "glibc robust + errorcheck",
    "glibc-robust-array": "glibc robust, in one array",
    "glibc-robust-pi": "glibc robust, priority inheritance",
    "glibc-plain": "glibc plain",
    "sem_t": "sem_t",
    "flock": "flock",
    "ofd-lock": "OFD lock",
    "boost-interprocess": "boost interprocess_mutex",
    "boost-named": "boost named_mutex",
    "bare-rmw": "bare pair of atomic RMWs",
}


def name_of(lock):
    return NAMES.get(lock, lock)


def ordered(locks):
    return sorted(locks, key=list(NAMES).index)


def _grid(head, rows):
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def _with_spread(figure, scale=1, digits=1):
    return f"{figure.median / scale:.{digits}f} ± {100 * figure.spread:.0f} %"


def targets(summary):
    return _grid(
        ["figure", "target", "value", "", "measured"],
        [
            [
                row["what"],
                row["target"],
                f"{row['value']:.2f}",
                "reached" if row["reached"] else "**missed**",
                row["note"],
            ]
            for row in summary
        ],
    )


def _uncontended(rows):
    ns = collect(rows, ["case"], "ns")
    locks = ordered({case.split("/")[1] for case in ns if case.startswith("alone/")})
    text = "## Lock and unlock, nobody else about\n\nNanoseconds of CPU time for the pair.\n\n"
    text += _grid(
        ["lock", "one thread", "a second thread in the process"],
        [[name_of(lock), _with_spread(ns[f"alone/{lock}"]), _with_spread(ns[f"two-threads/{lock}"])] for lock in locks],
    )
    counts = (0, 1, 100, 1000)
    crowds = ordered({case.split("/")[1] for case in ns if case.startswith("held/")})
    text += "\nWith so many other locks open, or held by the same thread:\n\n"
    return text + _grid(
        ["lock", "others"] + [str(count) for count in counts],
        [
            [name_of(lock), crowd] + [_with_spread(ns[f"{crowd}/{lock}/{count}"]) for count in counts]
            for lock in crowds
            for crowd in ("open", "held")
        ],
    )


def _size(rounds, section, seconds):
    inside = f" with {section} ns inside" if section else ""
    return f"{rounds} {'round' if rounds == 1 else 'rounds'} of {seconds:g} s{inside}"


def _sizes(rows):
    """How long, and in how many rounds, each lock was measured."""
    sizes = defaultdict(set)
    for row in rows:
        sizes[row["lock"]].add((row["section_ns"], row["seconds"], row["round"]))
    groups = defaultdict(list)
    for lock in ordered(sizes):
        words = " and ".join(
            _size(len([1 for size in sizes[lock] if size[:2] == case]), *case)
            for case in sorted({size[:2] for size in sizes[lock]})
        )
        groups[words].append(name_of(lock))
    if len(groups) == 1:
        return f"Each lock, in each case: {next(iter(groups))}.\n"
    return "".join(f"- {'; '.join(locks)}: {words}.\n" for words, locks in groups.items())


def _shares(rows):
    shares = collect(rows, ["lock", "processes", "think_ns"], "share")
    cases = sorted({key[1:] for key in shares})
    return (
        "## Shares\n\nThe smallest share of a process as a part of the largest, the worst of all rounds.\n\n"
        + _sizes(rows)
        + "\n"
        + _grid(
            ["lock"] + [f"{processes} proc., {think} ns" for processes, think in cases],
            [
                [name_of(lock)] + [f"{shares[(lock, *case)].values[0]:.2f}" for case in cases]
                for lock in ordered({key[0] for key in shares})
            ],
        )
    )


def _contended(rows):
    text = (
        "## Contention\n\nMillions of acquisitions a second, all processes together, and in brackets the smallest share of "
        "a process as a part of the largest, the worst of all rounds. *Think* is the time between a release and the next "
        "acquisition. Shares even out with time: compare those that were measured for as long.\n\n" + _sizes(rows)
    )
    for section in sorted({row["section_ns"] for row in rows}):
        some = [row for row in rows if row["section_ns"] == section]
        rates = collect(some, ["lock", "processes", "think_ns"], "per_second")
        shares = collect(some, ["lock", "processes", "think_ns"], "share")
        cases = sorted({key[1:] for key in rates})
        what = f"{section} ns of work inside" if section else "One increment inside"
        text += f"\n{what}:\n\n"
        text += _grid(
            ["lock"] + [f"{processes} proc., {think} ns" for processes, think in cases],
            [
                [name_of(lock)]
                + [
                    f"{_with_spread(rates[(lock, *case)], 1e6, 2)} ({shares[(lock, *case)].values[0]:.2f})"
                    if (lock, *case) in rates
                    else ""
                    for case in cases
                ]
                for lock in ordered({key[0] for key in rates})
            ],
        )
    return text


def _waits(rows):
    keys = ["lock", "processes", "think_ns"]
    columns = ["p50_ns", "p99_ns", "p999_ns", "longest_ns"]
    figures = {column: collect(rows, keys, column) for column in columns}
    return (
        "## How long one acquisition waits\n\nMicroseconds from call to return, of all acquisitions; medians of the rounds.\n\n"
        + _grid(
            ["lock", "processes", "think, ns", "median", "99 %", "99.9 %", "longest"],
            [
                [name_of(key[0]), str(key[1]), str(key[2])]
                + [_with_spread(figures[column][key], 1000, 2) for column in columns]
                for key in sorted(figures["p50_ns"], key=lambda key: (key[1], key[2], key[0] != "shmutex"))
            ],
        )
    )


def _handover(rows):
    asleep = collect([row for row in rows if row["kind"] == "asleep"], ["lock"], "median_ns")
    tail = collect([row for row in rows if row["kind"] == "asleep"], ["lock"], "p99_ns")
    at_once = collect([row for row in rows if row["kind"] == "at-once"], ["lock"], "hop_ns")
    return (
        "## Hand-over between two processes\n\nMicroseconds. Three locks in a ring, each process always holding one, so that "
        "every acquisition needs the other's release. *To a sleeper*: from just before the release, 100 µs after the other "
        "began to wait, to the return of its call. *At once*: one hop when nobody works.\n\n"
        + _grid(
            ["lock", "to a sleeper", "its 99 %", "at once"],
            [
                [
                    name_of(lock),
                    _with_spread(asleep[lock], 1000),
                    _with_spread(tail[lock], 1000),
                    _with_spread(at_once[lock], 1000, 2),
                ]
                for lock in ordered(asleep)
            ],
        )
    )


def _death(rows):
    figures = collect(rows, ["lock"], "latency_ns")
    return (
        "## The owner is killed\n\nMicroseconds from SIGKILL to the return of the sleeping waiter's call. The kernel tells "
        "robust futexes when it tears the memory down, file locks when it closes the files.\n\n"
        + _grid(
            ["lock", "median", "quartiles"],
            [
                [
                    name_of(lock),
                    f"{figures[lock].median / 1000:.0f}",
                    f"{figures[lock].low / 1000:.0f} to {figures[lock].high / 1000:.0f}",
                ]
                for lock in ordered(figures)
            ],
        )
    )


def _lifecycle(rows):
    ns = collect(rows, ["case"], "ns")
    locks = ordered({case.split("/")[1] for case in ns})
    return (
        "## Open, create, remove\n\nMicroseconds, on tmpfs. *Open*: an existing lock, and close. glibc's mutex: in a shared "
        "memory file of its own.\n\n"
        + _grid(
            ["lock", "open", "create and remove"],
            [
                [name_of(lock), _with_spread(ns[f"open/{lock}"], 1000), _with_spread(ns[f"create-unlink/{lock}"], 1000)]
                for lock in locks
            ],
        )
    )


def _memory(rows):
    columns = {
        "make_ns": 1000,
        "open_ns": 1000,
        "rss_kib": 1024,
        "pss_kib": 1024,
        "page_tables_kib": 1024,
        "shared_kib": 1024,
    }
    figures = {column: collect(rows, ["lock", "count"], column) for column in columns}
    keys = list(dict.fromkeys((row["lock"], row["count"]) for row in rows))
    return (
        "## Many locks\n\nOne process that opens all of them. Times in microseconds for each lock; sizes in MiB for all. "
        "*Shared* is the page cache that their files, or the memory that they lie in, take once for all processes; it is "
        "part of what the process maps.\n\n"
        + _grid(
            ["lock", "how many", "make", "open", "RSS", "PSS", "page tables", "shared"],
            [
                [name_of(key[0]), f"{key[1]:,}"]
                + [
                    f"{figures[column][key].median / scale:.{2 if column.endswith('_ns') else 1}f}"
                    for column, scale in columns.items()
                ]
                for key in keys
            ],
        )
    )


SECTIONS = {
    "uncontended": _uncontended,
    "contended": _contended,
    "shares": _shares,
    "waits": _waits,
    "handover": _handover,
    "death": _death,
    "lifecycle": _lifecycle,
    "memory": _memory,
}


def about(results):
    """The machine and the versions, in a line."""
    machine = results["machine"]
    peers = machine.get("peers", {"Boost": "(version not recorded)"})
    versions = ", ".join(f"{name} {version}" for name, version in peers.items())
    return (
        f"{machine['processor']}, {machine['cpus']} CPUs, Linux {machine['kernel']}, {machine['libc']}, {versions}; "
        f"{machine['date']}."
    )


def idleness(results):
    seen = list(results.get("conditions", {}).values())
    return conditions.sentence(seen, results["machine"].get("load_before"))


def document(results):
    text = (
        "# Measured\n\nWritten by `./dev bench`; every row of data is in results.json. Medians; ± is half the distance of "
        "the quartiles. All locks were measured side by side in one run, in turns, so ratios mean more than absolute "
        "figures.\n\n"
    )
    text += f"{about(results)}\n\n{idleness(results)}\n\n"
    text += "## Targets\n\n" + targets(results["summary"]) + "\n"
    plots = [part for part in ("uncontended", "contended", "waits", "handover") if part in results]
    text += "\n".join(f"![{part}]({part}.svg)" for part in plots) + "\n\n"
    return text + "\n".join(section(results[part]) for part, section in SECTIONS.items() if part in results)
