"""The ratios that the library aims at, and whether this run reached them."""

from report.figures import collect, geometric_mean

OURS, GLIBC = "shmutex", "glibc-robust"
FULL_SHARE_SECONDS = 1


def _target(what, value, limit, at_most, note=""):
    reached = value <= limit if at_most else value >= limit
    return {
        "what": what,
        "target": f"{'≤' if at_most else '≥'} {limit:g}",
        "value": round(value, 3),
        "reached": reached,
        "note": note,
    }


def _uncontended(rows):
    ns = {case: figure.median for case, figure in collect(rows, ["case"], "ns").items()}
    for threads, words in (("alone", "one thread"), ("two-threads", "a second thread in the process")):
        ours = ns[f"{threads}/{OURS}"]
        yield _target(
            f"uncontended, {words}: of glibc robust", ours / ns[f"{threads}/{GLIBC}"], 0.85, True, f"{ours:.1f} ns"
        )
        yield _target(f"uncontended, {words}: of the bare RMW pair", ours / ns[f"{threads}/bare-rmw"], 1.35, True)
    for crowd in ("open", "held"):
        among = [ns[f"{crowd}/{OURS}/{count}"] for count in (1, 100, 1000)]
        yield _target(
            f"uncontended with 1, 100, 1000 locks {crowd}: dearest of cheapest",
            max(among) / min(among),
            1.1,
            True,
            " / ".join(f"{value:.1f}" for value in among) + " ns",
        )


def _contended(rows):
    short = [row for row in rows if row["section_ns"] == 0]
    rates = collect(short, ["lock", "processes", "think_ns"], "per_second")
    cases = sorted(key[1:] for key in rates if key[0] == OURS)
    ratios = {case: rates[(OURS, *case)].median / rates[(GLIBC, *case)].median for case in cases}
    worst = min(ratios, key=ratios.get)
    yield _target("contended throughput of glibc robust: geometric mean", geometric_mean(ratios.values()), 1.1, False)
    yield _target(
        "contended throughput of glibc robust: lowest case",
        ratios[worst],
        0.85,
        False,
        f"{worst[0]} processes, {worst[1]} ns",
    )


def _shares(rows):
    ours = [row for row in rows if row["lock"] == OURS and row["section_ns"] == 0]
    least = min(ours, key=lambda row: row["share"])
    note = f"{least['processes']} processes, {least['think_ns']} ns"
    if least["seconds"] < FULL_SHARE_SECONDS:
        note += f"; over {least['seconds']:g} s only"
    yield _target("contended: smallest share of the largest", least["share"], 0.5, False, note)


def _waits(rows):
    tails = collect(rows, ["lock", "think_ns"], "p999_ns")
    for think in sorted(key[1] for key in tails if key[0] == OURS):
        ours, theirs = tails[OURS, think].median, tails[GLIBC, think].median
        yield _target(
            f"99.9th percentile of a wait, 8 processes, {think} ns: of glibc robust",
            ours / theirs,
            1,
            True,
            f"{ours / 1000:.1f} and {theirs / 1000:.1f} µs",
        )


def _handover(rows):
    for kind, words in (("asleep", "to a sleeper"), ("at-once", "at once")):
        medians = collect(
            [row for row in rows if row["kind"] == kind], ["lock"], "median_ns" if kind == "asleep" else "hop_ns"
        )
        ours, theirs = medians[OURS].median, medians[GLIBC].median
        yield _target(
            f"hand-over {words}: of glibc robust",
            ours / theirs,
            1,
            True,
            f"{ours / 1000:.1f} and {theirs / 1000:.1f} µs",
        )


_JUDGES = {
    "uncontended": _uncontended,
    "contended": _contended,
    "shares": _shares,
    "waits": _waits,
    "handover": _handover,
}


def judge(results):
    """A list of targets, each with its value, for the parts that were run."""
    # Results of old have no part for the shares.
    parts = {"shares": results["contended"], **results} if "contended" in results else results
    return [target for part, judge_part in _JUDGES.items() if part in parts for target in judge_part(parts[part])]
