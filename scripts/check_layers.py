#!/usr/bin/env python3
"""check_layers.py: which part of the sources may include which.

core/: a folder includes itself and the folders before it in LAYERS. Everything outside core/ uses the public headers
only; who may look inside is listed in INSIDERS.
"""

import re
import subprocess
import sys
from pathlib import Path

LAYERS = (
    "base", "os", "error", "process", "object", "sync",
    "mutex", "cond", "event", "semaphore", "rwlock", "barrier", "ring",
    "across", "diagnostics",
)  # fmt: skip

# Outside core/, these link its objects or know its layout: the C interface, the tests of the parts, and the tests that
# write a lock's bytes or read what the library keeps for itself.
INSIDERS = ("capi/", "tests/")

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def sources():
    files = subprocess.run(
        ["git", "ls-files", "*.c", "*.cpp", "*.h", "*.hpp", "*.i"], check=True, capture_output=True, text=True
    )
    return [file for file in files.stdout.splitlines() if Path(file).exists()]


def misplaced(files):
    """A sentence for each folder or file of core/ that LAYERS says nothing about."""
    for file in files:
        if re.fullmatch(r"core/[^/]+\.(h|cpp)", file):
            yield f"{file}: lies in no folder of core/"
    folders = {Path(file).parts[1] for file in files if re.match("core/.+/", file)}
    yield from (f"core/{folder}: not in LAYERS of scripts/check_layers.py" for folder in sorted(folders - set(LAYERS)))


def upward(files):
    """(file, included, why not) for each include that points the wrong way."""
    for file in files:
        for included in INCLUDE.findall(Path(file).read_text()):
            if not Path("core", included).exists():
                continue
            if file.startswith("core/"):
                here, there = Path(file).parts[1], Path(included).parts[0]
                if LAYERS.index(there) > LAYERS.index(here):
                    yield file, included, f"{here} lies below {there}"
            elif not file.startswith(INSIDERS):
                yield file, included, "only public headers here"


def main():
    files = sources()
    complaints = list(misplaced(files))
    if not complaints:
        complaints = [f'{file} includes "{included}": {why}' for file, included, why in upward(files)]
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
