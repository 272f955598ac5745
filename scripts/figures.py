#!/usr/bin/env python3
"""figures.py LOG…: adds up what the tests of crash safety print about themselves: kills, kill points, …"""

import re
import sys
from pathlib import Path

FIGURES = ["kills", "kill points", "stuck", "wrong", "bytes scribbled", "faults injected", "inputs tried"]


def total(figure, text):
    # libFuzzer's own words for inputs; glibc's results are the baseline's, and not ours.
    if figure == "inputs tried":
        text = re.sub(r"^Done (\d+) runs", r"inputs tried \1", text, flags=re.M)
    ours = "\n".join(line for line in text.splitlines() if "glibc:" not in line)
    return sum(int(number) for number in re.findall(rf"\b{figure} (\d+)", ours))


def main():
    text = "\n".join(Path(name).read_text(errors="replace") for name in sys.argv[1:] if Path(name).exists())
    print("Figures:")
    for figure in FIGURES:
        print(f"  {figure:<16} {total(figure, text):>12,}")


if __name__ == "__main__":
    main()
