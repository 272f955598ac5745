"""Fixtures: a watchdog around every test, a lock path of its own, and processes that are gone afterwards."""

import faulthandler
import logging
import os
import uuid
from pathlib import Path

import pytest

import shmutex
from processes import Process, start_watchdog


@pytest.fixture(autouse=True)
def watchdog():
    start_watchdog()
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(autouse=True)
def log_level():
    logging.getLogger("shmutex").setLevel(logging.DEBUG)
    yield
    logging.getLogger("shmutex").setLevel(logging.NOTSET)


@pytest.fixture
def path():
    name = f"/dev/shm/shmutex-python-{os.getpid()}-{uuid.uuid4().hex[:8]}.lock"
    yield name
    if os.path.exists(name):
        os.unlink(name)


@pytest.fixture
def mutex(path):
    with_open = shmutex.SharedMutex(path)
    yield with_open
    if with_open.owned:
        with_open.release()
    with_open.close()


@pytest.fixture
def spawn():
    """spawn(code, *arguments): a Python process of its own, killed at the end of the test."""
    started = []

    def start(code, *arguments, **options):
        process = Process(code, *arguments, **options)
        started.append(process)
        return process

    yield start
    for process in started:
        process.end()


@pytest.fixture(scope="session")
def installed():
    """Where `cmake --install` put the library and its header for this run."""
    prefix = os.environ.get("SHMUTEX_PREFIX")
    if prefix is None:
        pytest.skip("SHMUTEX_PREFIX does not say where the library is installed; ctest does")
    return Path(prefix)


@pytest.fixture(scope="session")
def source_tree():
    return Path(__file__).resolve().parents[2]
