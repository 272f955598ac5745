#!/usr/bin/env python3
"""coverage_gaps.py COVERAGE.json PAGE.md: what gcovr found uncovered, and the page does not list with a reason.

The page names a place by its function and the statement as it is written there. It is found again after a rename: a row means
a line if the function is the same and the statement has the same form, whatever the names in it are; or if the statement is
the same and longer than DISTINCTIVE, whatever the function is called. Files do not matter. A row that means no line of the
sources is reported, too.
"""

import json
import re
import sys
from pathlib import Path

SOURCES = ("core/**/*.h", "core/**/*.cpp", "capi/**/*.h", "capi/**/*.hpp", "capi/**/*.cpp")
DISTINCTIVE = 40
CONTROL = {
    "if",
    "for",
    "while",
    "switch",
    "catch",
    "return",
    "sizeof",
    "alignas",
    "decltype",
    "defined",
    "static_assert",
}
# A definition begins at the margin, or is a class's own, and its first parenthesis follows its name.
DEFINITION = re.compile(r"(?:  )?(?:[\w\[\]:<>,*&~]+ )*[*&]*(?:\w+::)*(~?\w+)\(")


def form(statement):
    """The statement without the names in it, comments and spaces."""
    code = re.sub(r"\s*//.*", "", statement)
    return re.sub(r"[A-Za-z_]\w*(?:::\w+)*", "x", re.sub(r"\s+", "", re.sub(r"\b(const|auto|struct) ", "", code)))


def functions_of(lines):
    """The name of the function that each line belongs to."""
    name = ""
    for line in lines:
        code = re.sub(r"\s*//.*", "", line)
        found = DEFINITION.match(code)
        if (
            found
            and found[1] not in CONTROL
            and code.endswith(("{", "}", ",") if code.startswith(" ") else ("{", "}", ",", ")"))
        ):
            name = found[1]
        yield name


def keys_of(function, statement):
    """What a row and a line have in common if the row means the line: at least one of these."""
    yield function, form(statement)
    if len(statement) >= DISTINCTIVE:
        yield statement


def rows_of(page):
    """(function, statement) of each row that gives a reason."""
    for line in page.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 3 and cells[1].startswith("`") and cells[2]:
            yield cells[0], cells[1].strip("`").replace("\\|", "|")


def places_in(path):
    lines = Path(path).read_text().splitlines()
    return list(zip(functions_of(lines), (line.strip() for line in lines)))


def uncovered(report):
    for file in report["files"]:
        places = places_in(file["file"])
        for line in file["lines"]:
            if line.get("gcovr/noncode"):
                continue
            branches = [branch["count"] for branch in line.get("branches", [])]
            if line["count"] == 0 or 0 in branches:
                yield (file["file"], line["line_number"], *places[line["line_number"] - 1])


def main():
    rows = list(rows_of(Path(sys.argv[2]).read_text()))
    listed = {key for row in rows for key in keys_of(*row)}
    gaps = list(uncovered(json.loads(Path(sys.argv[1]).read_text())))
    new = [gap for gap in gaps if listed.isdisjoint(keys_of(*gap[2:]))]
    places = [place for pattern in SOURCES for path in Path().glob(pattern) for place in places_in(path)]
    there = {key for place in places for key in keys_of(*place)}
    stale = [row for row in rows if there.isdisjoint(keys_of(*row))]
    print(f"{len(gaps)} lines with something uncovered, {len(new)} of them not in {sys.argv[2]}")
    for file, number, function, statement in new:
        escaped = statement.replace("|", "\\|")
        print(f"{file}:{number}:\n| {function} | `{escaped}` | |")
    for function, statement in stale:
        print(f"{sys.argv[2]} names what is no longer there: {function}: {statement}")
    return 1 if new or stale else 0


if __name__ == "__main__":
    sys.exit(main())
