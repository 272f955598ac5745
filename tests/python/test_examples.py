"""The examples, run as a reader would run them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import shmutex

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples/python").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_example(example, tmp_path, installed):
    if "cffi" in example.stem:
        pytest.importorskip("cffi")
    environment = dict(os.environ, SHMUTEX_PREFIX=str(installed))
    done = subprocess.run(
        [sys.executable, str(example)], cwd=tmp_path, capture_output=True, text=True, timeout=140, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("OK"), done.stdout


def test_the_readme_after_an_owners_death(path):
    block = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL).group(1)
    child = os.fork()
    if child == 0:
        shmutex.SharedMutex(path).acquire()
        os._exit(0)
    os.waitpid(child, 0)
    calls = []
    names = {"repair": lambda mutex: calls.append(("repair", mutex.owned)), "change": calls.append, "data": "change"}
    for _ in range(2):
        exec(block.replace("/dev/shm/app.lock", path), names)  # pylint: disable=exec-used
    assert calls == [("repair", True), "change", "change"]
    assert not shmutex.SharedMutex(path).locked()
