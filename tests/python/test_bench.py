"""What the benchmark makes of its figures; that it runs is for whoever runs it to see."""

import importlib
import importlib.util
import json
import os
import subprocess
import sys

import pytest


@pytest.fixture
def report(source_tree):
    spec = importlib.util.spec_from_file_location("report", source_tree / "bench/python/report.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def figures(report, ours):
    alone = {
        title: {report.BASE: [100.0, 120.0], report.OURS: [ours, ours * 1.2], report.PEER: [150.0, 180.0]}
        for title in report.TARGETS
    }
    return alone, {"2 processes": {report.OURS: [1600.0 / ours * 50], report.PEER: [1000.0]}}


def test_reached(report):
    rows = report.targets(*figures(report, 50.0))
    assert len(rows) == 7 and all(reached for *_, reached in rows)
    assert "MISSED" not in report.page({"python": "x"}, *figures(report, 50.0), [])


def test_missed(report):
    alone, together = figures(report, 70.0)
    missed = [what for what, _, _, reached in report.targets(alone, together) if not reached]
    assert missed == [
        "acquire() + release(): of threading.Lock",
        "acquire(timeout=1) + release(): of threading.Lock",
        "2 processes: of multiprocessing.Lock",
    ]
    page = report.page({"python": "x"}, alone, together, ["some.Lock"])
    assert page.count("**MISSED**") == 3 and "some.Lock" in page


def test_a_lock_without_timeouts_leaves_its_cells_empty(report):
    alone, together = figures(report, 50.0)
    alone["with lock: pass"]["odd.Lock"] = [10.0, 10.0]
    (row,) = (line for line in report.table(alone, report.BASE, 1) if line.startswith("| odd.Lock"))
    assert row.count("–") == 6


@pytest.fixture
def bench(source_tree, monkeypatch):
    monkeypatch.syspath_prepend(str(source_tree / "bench"))
    monkeypatch.delitem(sys.modules, "report", raising=False)
    return importlib.import_module


def test_who_else_used_the_processors(bench):
    conditions = bench("conditions")
    spinning = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        with conditions.Watch() as watch:
            while time_used(spinning.pid) < 0.5:
                pass
    finally:
        spinning.kill()
        spinning.wait()
    assert 0 < watch.seen["others"] <= 1 and 0 <= watch.seen["steal"] <= 1
    assert not conditions.was_idle(watch.seen)
    assert "not idle" in conditions.sentence([watch.seen])


def time_used(pid):
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rsplit(")", 1)[1].split()[11]) / os.sysconf("SC_CLK_TCK")


def test_what_is_said_of_a_run(bench):
    sentence = bench("conditions").sentence
    idle, busy = {"steal": 0.001, "others": 0.01}, {"steal": 0.001, "others": 0.5}
    assert sentence([idle]).startswith("The machine was idle")
    assert "not idle" in sentence([idle, busy]) and "50.0%" in sentence([idle, busy])
    assert "was not measured" in sentence([]) and "4.20" in sentence([], 4.2)


def test_the_readme_shows_the_published_figures(bench, source_tree):
    results = json.loads((source_tree / "docs/bench/results.json").read_text())
    assert bench("report.readme").block(results) in (source_tree / "README.md").read_text()
