"""make_environment.py REQUIREMENTS DIRECTORY: a virtual environment with what the tests need, from the system where it has it."""

import pathlib
import subprocess
import sys

requirements = pathlib.Path(__file__).with_name(sys.argv[1])
directory = pathlib.Path(sys.argv[2])
stamp = directory / "requirements.txt"
if not stamp.exists() or stamp.read_text() != requirements.read_text():
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--system-site-packages", directory], check=True)
    pip = [directory / "bin/python", "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "install", "--prefer-binary", "-r", requirements], check=True)
    stamp.write_text(requirements.read_text())
