"""SVG plots of the results."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from report.figures import collect
from report.tables import about, idleness, name_of, ordered

# Ours in one hue, glibc robust in its contrast, all others grey: told apart without colour by their labels, too.
OURS, GLIBC, OTHERS = "#1f6f8b", "#d1793a", "#a9b0b5"

plt.rcParams.update(
    {
        "svg.fonttype": "none",
        "svg.hashsalt": "shmutex",
        "font.family": "sans-serif",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
)


def _colour(lock):
    return OURS if lock.startswith("shmutex") else GLIBC if lock == "glibc-robust" else OTHERS


def _save(figure, path, caption, **layout):
    """With the machine, the versions and the date below."""
    figure.text(0.01, 0.01, caption, fontsize=6, color="#666666", va="bottom", wrap=True)
    if layout:
        figure.subplots_adjust(**layout)
    else:
        figure.tight_layout(rect=(0, 0.35 / figure.get_figheight(), 1, 1))
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _whiskers(figures, scale):
    return [
        [(figure.median - figure.low) / scale for figure in figures],
        [(figure.high - figure.median) / scale for figure in figures],
    ]


def _dots(axes, figures, scale, title):
    """A dot a lock on a logarithmic axis, with the quartiles as whiskers and the median in words."""
    for row, lock in enumerate(ordered(figures)[::-1]):
        median = figures[lock].median / scale
        axes.errorbar(
            [median],
            [row],
            xerr=_whiskers([figures[lock]], scale),
            fmt="o",
            color=_colour(lock),
            ecolor="#333333",
            elinewidth=1,
        )
        axes.annotate(
            f"{median:,.0f}" if median >= 100 else f"{median:.3g}",
            (median, row),
            xytext=(6, 5),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axes.set_yticks(range(len(figures)), [name_of(lock) for lock in ordered(figures)[::-1]])
    axes.grid(axis="y", color="#eeeeee")
    axes.set_axisbelow(True)
    axes.set_xscale("log")
    axes.margins(x=0.15)
    axes.set_title(title, loc="left")


def _uncontended(rows, path, caption):
    ns = collect(rows, ["case"], "ns")
    figure, both = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True)
    for axes, prefix, title in (
        (both[0], "alone/", "one thread in the process"),
        (both[1], "two-threads/", "two threads"),
    ):
        _dots(
            axes, {case.removeprefix(prefix): value for case, value in ns.items() if case.startswith(prefix)}, 1, title
        )
        axes.set_xlabel("ns for lock + unlock, uncontended (less is better)")
    _save(figure, path, caption)


def _contended(rows, path, caption):
    rates = collect([row for row in rows if row["section_ns"] == 0], ["lock", "processes", "think_ns"], "per_second")
    locks = ordered({key[0] for key in rates})
    processes = sorted({key[1] for key in rates})
    thinks = sorted({key[2] for key in rates})
    figure, all_axes = plt.subplots(1, len(thinks), figsize=(11, 4), sharey=True, squeeze=False)
    for axes, think in zip(all_axes[0], thinks):
        for lock in locks:
            points = [(count, rates[lock, count, think]) for count in processes if (lock, count, think) in rates]
            bold = lock in ("shmutex", "glibc-robust")
            axes.errorbar(
                [count for count, _ in points],
                [value.median / 1e6 for _, value in points],
                yerr=[
                    [(value.median - value.low) / 1e6 for _, value in points],
                    [(value.high - value.median) / 1e6 for _, value in points],
                ],
                color=_colour(lock),
                marker="o" if bold else ".",
                linewidth=2 if bold else 0.8,
                linestyle={"shmutex-fair": ":", "shmutex-recursive": "--", "shmutex-buffer": "-."}.get(lock, "-"),
                label=name_of(lock),
                zorder=3 if bold else 2,
            )
            if not lock.startswith("shmutex") and lock != "glibc-robust" and points:
                axes.annotate(
                    lock,
                    (points[-1][0], points[-1][1].median / 1e6),
                    xytext=(4, 0),
                    textcoords="offset points",
                    fontsize=6,
                    color="#666666",
                    va="center",
                )
        axes.set_title(f"{think} ns between acquisitions", loc="left")
        axes.set_xlabel("processes")
        axes.set_xticks(processes)
        axes.set_yscale("log")
        axes.margins(x=0.25)
    all_axes[0][0].set_ylabel("million acquisitions a second (more is better)")
    handles, labels = all_axes[0][0].get_legend_handles_labels()
    shown = [(handle, label) for handle, label, lock in zip(handles, labels, locks) if _colour(lock) != OTHERS]
    figure.legend(
        *zip(*shown), loc="lower center", ncol=len(shown), frameon=False, fontsize=8, bbox_to_anchor=(0.5, 0.06)
    )
    _save(figure, path, caption, left=0.07, right=0.98, top=0.92, bottom=0.24)


def _waits(rows, path, caption):
    thinks = sorted({row["think_ns"] for row in rows})
    figure, all_axes = plt.subplots(1, len(thinks), figsize=(10, 2.8), sharey=True, squeeze=False)
    columns = {"median": "p50_ns", "99 %": "p99_ns", "99.9 %": "p999_ns", "longest": "longest_ns"}
    for axes, think in zip(all_axes[0], thinks):
        for offset, lock in ((-0.1, "shmutex"), (0.1, "glibc-robust")):
            values = [
                collect([row for row in rows if row["lock"] == lock and row["think_ns"] == think], ["lock"], column)[
                    lock
                ]
                for column in columns.values()
            ]
            axes.errorbar(
                [i + offset for i in range(len(values))],
                [value.median / 1000 for value in values],
                yerr=_whiskers(values, 1000),
                fmt="o",
                color=_colour(lock),
                label=name_of(lock),
                ecolor="#333333",
                elinewidth=1,
            )
        axes.set_xticks(range(len(columns)), columns)
        axes.set_yscale("log")
        axes.set_title(f"8 processes, {think} ns between", loc="left")
    all_axes[0][0].set_ylabel("µs of one wait (less is better)")
    all_axes[0][0].legend(frameon=False, fontsize=8)
    _save(figure, path, caption)


def _handover(rows, path, caption):
    figure, both = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
    for axes, kind, column, title in (
        (both[0], "asleep", "median_ns", "to a sleeper"),
        (both[1], "at-once", "hop_ns", "at once"),
    ):
        _dots(axes, collect([row for row in rows if row["kind"] == kind], ["lock"], column), 1000, title)
        axes.set_xlabel("µs for a hand-over (less is better)")
    _save(figure, path, caption)


_PLOTS = {"uncontended": _uncontended, "contended": _contended, "waits": _waits, "handover": _handover}


def draw(results, folder):
    caption = about(results) + "\n" + idleness(results).replace("**", "")
    for part, plot in _PLOTS.items():
        if part in results:
            plot(results[part], folder / f"{part}.svg", caption)
