"""What the benchmark makes of its figures; that it runs is for whoever runs it to see."""

import importlib.util

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
