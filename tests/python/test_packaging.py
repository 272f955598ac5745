"""The wheel that pip builds, and where `cmake --install` puts the module."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

USE = """
import os, sys, shmutex
with shmutex.SharedMutex(sys.argv[1]) as mutex:
    assert mutex.owned
with open('/proc/self/maps') as maps:
    libraries = {line.split()[-1] for line in maps if 'libshmutex' in line}
print(os.path.dirname(shmutex.__file__), *libraries)
"""


def run(*command, **options):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment.update(options.pop("env", {}))
    done = subprocess.run(
        [*map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        env=environment,
        **options,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(autouse=True)
def watchdog():
    """This builds the project, in a while; each step has its own limit."""
    yield


def base_interpreter():
    return getattr(sys, "_base_executable", None) or sys.executable


def test_wheel(source_tree, tmp_path, path):
    """pip install . in a clean environment; the library is inside, and found."""
    environment = tmp_path / "environment"
    run(base_interpreter(), "-m", "venv", environment)
    python = environment / "bin/python"
    wheels = tmp_path / "wheels"
    run(python, "-m", "pip", "wheel", "-w", wheels, f"--config-settings=build-dir={tmp_path}/build", source_tree)
    (wheel,) = wheels.glob("shmutex-*.whl")
    files = set(run(python, "-m", "zipfile", "-l", wheel).split())
    names = {Path(name).name for name in files if name.startswith("shmutex/")}
    assert {"__init__.py", "__init__.pyi", "_support.py", "py.typed", "libshmutex.so.1"} <= names
    assert len([name for name in names if name.startswith("_shmutex.cpython")]) == 1
    assert not any("include" in name or name.endswith((".a", ".cmake")) for name in files)
    run(python, "-m", "pip", "install", "--no-index", wheel)
    directory, library = run(python, "-c", USE, path, cwd=tmp_path).split()
    assert str(environment) in directory and Path(library).parent == Path(directory)


@pytest.mark.parametrize("prefix", ["/usr", "/usr/local"])
def test_install(source_tree, tmp_path, path, prefix):
    """cmake --install for the distribution: where its Python looks, with the library where its linker looks."""
    cmake = os.environ.get("CMAKE_COMMAND", "cmake")
    build, root = tmp_path / "build", tmp_path / "root"
    run(
        cmake, "-S", source_tree, "-B", build, f"-DCMAKE_INSTALL_PREFIX={prefix}", "-DSHMUTEX_BUILD_PYTHON=ON",
        f"-DSHMUTEX_PYTHON={base_interpreter()}", "-DSHMUTEX_BUILD_TESTS=OFF", "-DSHMUTEX_BUILD_EXAMPLES=OFF",
        "-DSHMUTEX_BUILD_TOOLS=OFF",
    )  # fmt: skip
    run(cmake, "--build", build, "--parallel", "2")
    run(cmake, "--install", build, env={"DESTDIR": str(root)})
    (package,) = root.glob("**/shmutex/__init__.py")
    (library,) = root.glob("**/libshmutex.so.1")
    where = "/" + str(package.parent.parent.relative_to(root))
    script = "import sys; print(*sys.path, sep='\\n')"
    if sys.version_info[:2] == (3, 11) and base_interpreter().startswith("/usr/bin"):
        assert where in run(base_interpreter(), "-c", script).splitlines()
        if prefix == "/usr":
            assert where == "/usr/lib/python3/dist-packages"
    else:
        assert "packages" in where
    environment = {"PYTHONPATH": str(package.parent.parent), "LD_LIBRARY_PATH": str(library.parent)}
    used = run(base_interpreter(), "-c", USE, path, env=environment).split()
    assert used[0] == str(package.parent) and Path(used[1]).parent == library.parent
