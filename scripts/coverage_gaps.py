#!/usr/bin/env python3
"""coverage_gaps.py COVERAGE.json PAGE.md: what gcovr found uncovered, and the page does not list with a reason."""

import json
import re
import sys
from pathlib import Path


def listed(page):
    for line in page.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 3 and cells[1].startswith("`") and cells[2]:
            yield cells[0], cells[1].strip("`").replace("\\|", "|")


def uncovered(report):
    for file in report["files"]:
        source = Path(file["file"]).read_text().splitlines()
        for line in file["lines"]:
            if line.get("gcovr/noncode"):
                continue
            branches = [branch["count"] for branch in line.get("branches", [])]
            if line["count"] == 0 or 0 in branches:
                yield file["file"], line["line_number"], source[line["line_number"] - 1].strip()


def main():
    known = set(listed(Path(sys.argv[2]).read_text()))
    gaps = list(uncovered(json.loads(Path(sys.argv[1]).read_text())))
    unknown = [gap for gap in gaps if (gap[0], gap[2]) not in known]
    print(f"{len(gaps)} lines with something uncovered, {len(unknown)} of them not in {sys.argv[2]}")
    for file, number, code in unknown:
        print(f"{file}:{number}: {code}")
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
