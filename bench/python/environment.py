"""A virtual environment of the interpreter that runs, with the other locks in it; from the system where it has them."""

import os
import pathlib
import subprocess
import sys

here = pathlib.Path(__file__).resolve().parent
requirements = here / "requirements.txt"
default = here.parents[1] / "build" / f"bench-python-{sys.implementation.cache_tag}"


def make(directory):
    """Returns its interpreter."""
    python = directory / "bin/python"
    stamp = directory / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != requirements.read_text():
        subprocess.run([sys.executable, "-m", "venv", "--clear", "--system-site-packages", directory], check=True)
        pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        subprocess.run([*pip, "install", "--prefer-binary", "-r", requirements], check=True)
        stamp.write_text(requirements.read_text())
    return python


def enter(directory):
    """Goes on in it: starts the program anew with its interpreter, unless it runs with that already."""
    directory = directory.resolve()
    if pathlib.Path(sys.prefix).resolve() != directory:
        python = make(directory)
        os.execv(python, [str(python), *sys.argv])
