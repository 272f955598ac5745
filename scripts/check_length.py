#!/usr/bin/env python3
"""check_length.py: files of one job are short. Fails if one has more than 600 lines."""

import subprocess
import sys
from pathlib import Path

LIMIT = 600
FOLDERS = ("core", "capi", "bindings", "tests", "examples", "bench", "scripts")
# Written by programs, or one statement a line by nature.
EXCEPT = (".abi",)


def main():
    files = subprocess.run(["git", "ls-files", "-z", *FOLDERS], check=True, capture_output=True, text=True).stdout
    long = 0
    for file in files.split("\0"):
        path = Path(file)
        if not path.is_file() or path.suffix in EXCEPT or "corpus" in path.parts:
            continue
        lines = path.read_bytes().count(b"\n")
        if lines > LIMIT:
            long += 1
            print(f"{file}: {lines} lines, more than {LIMIT}: split it")
    return 1 if long else 0


if __name__ == "__main__":
    sys.exit(main())
