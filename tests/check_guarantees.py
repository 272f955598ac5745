#!/usr/bin/env python3
"""check_guarantees.py BUILD: holds the table "What shows each promise" in tests/README.md to README.md and to the tests.

Every row of README's tables of what is guaranteed and what is not has a row there, and no row there is about anything else;
what is guaranteed names tests; every test that is named exists: a CTest of the build directory, or a GoogleTest case."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def rows(text, heading):
    """The tables of a section: for each row the cells, and the first cell of its table's head."""
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    head = None
    for line in section.splitlines():
        if not line.startswith("|"):
            head = None
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if head is None:
            head = cells[0]
        elif set(cells[0]) != {"-"}:
            yield head, cells


def ctests(build):
    listing = subprocess.run(
        ["ctest", "--test-dir", build, "--show-only=json-v1"], check=True, capture_output=True, text=True
    ).stdout
    return {test["name"] for test in json.loads(listing)["tests"]}


def gtest_cases():
    cases = set()
    for source in (ROOT / "tests").rglob("*.cpp"):
        found = re.findall(r"^TEST(?:_P|_F)?\((\w+),\s*(\w+)\)", source.read_text(), re.M)
        cases |= {f"{suite}.{case}" for suite, case in found}
    return cases


def main(build):
    promises = {
        cells[0]: head for head, cells in rows((ROOT / "README.md").read_text(), "What is guaranteed, and what is not")
    }
    shown = {cells[0]: cells[1] for _, cells in rows((ROOT / "tests/README.md").read_text(), "What shows each promise")}
    known = ctests(build) | gtest_cases()
    complaints = [f"README.md promises, tests/README.md has no row: {name}" for name in promises if name not in shown]
    complaints += [
        f"tests/README.md has a row, README.md does not promise: {name}" for name in shown if name not in promises
    ]
    named = 0
    for promise, cell in shown.items():
        tests = re.findall(r"`([^`]+)`", cell)
        named += len(tests)
        if not tests and promises.get(promise) == "guaranteed":
            complaints.append(f"guaranteed, and no test is named: {promise}")
        if not tests and not cell:
            complaints.append(f"no test, and no reason: {promise}")
        complaints += [f"there is no test {test}, named for: {promise}" for test in tests if test not in known]
    print(f"{len(promises)} promises, {named} tests named")
    for complaint in complaints:
        print(complaint)
    return 1 if complaints or not promises or not named else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
