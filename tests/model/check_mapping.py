#!/usr/bin/env python3
"""Holds the table in docs/design/protocol.md to the model and to the code: every label of plain_lock.pml has its row, and
every statement that a row quotes stands in the file that it names."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "tests/model/plain_lock.pml"
PAGE = ROOT / "docs/design/protocol.md"


def rows(page):
    section = page.split("## Where the model's steps are in the code")[1].split("\n## ")[0]
    for line in section.splitlines():
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 4 and cells[0].startswith("`"):
            yield cells


def quoted(cell):
    return re.findall(r"`([^`]+)`", cell)


def main():
    model = MODEL.read_text()
    labels = set(re.findall(r"^([a-z_]+):(?!:)", model, re.M)) - {"end"}
    labels |= {f"PEND({number})" for number in re.findall(r"PEND\((\d+),", model)}
    complaints, mapped, statements = [], set(), 0
    for names, function, file, code in rows(PAGE.read_text()):
        mapped |= set(quoted(names))
        if not file:
            continue
        text = (ROOT / file).read_text()
        for name in quoted(function):
            if name.split("::")[-1].rstrip("()") not in text:
                complaints.append(f"{name} is not in {file}")
        for statement in quoted(code):
            statements += 1
            if statement not in text:
                complaints.append(f"{file} does not say: {statement}")
        if not quoted(code):
            complaints.append(f"no statement for {names}")
    complaints += [f"the page has no row for {label}" for label in sorted(labels - mapped)]
    complaints += [f"the model has no {label}" for label in sorted(mapped - labels) if label not in model]
    print(f"{len(labels)} labels, {statements} statements")
    for complaint in complaints:
        print(complaint)
    return 1 if complaints or not labels or not statements else 0


if __name__ == "__main__":
    sys.exit(main())
