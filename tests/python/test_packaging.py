"""The wheel that pip builds, and where `cmake --install` puts the module."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
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
    assert [Path(name).name for name in files if "libshmutex" in name] == ["libshmutex.so.1"]
    assert not any("include" in name or name.endswith((".a", ".cmake")) for name in files)
    (metadata,) = (name for name in files if name.endswith(".dist-info/METADATA"))
    with zipfile.ZipFile(wheel) as archive:
        said = archive.read(metadata).decode()
        stub = archive.read("shmutex/__init__.pyi").decode()
    (homepage,) = re.findall(r"HOMEPAGE_URL \"(.*)\"", (source_tree / "CMakeLists.txt").read_text())
    (rockspec,) = source_tree.glob("*.rockspec")
    assert f"Project-URL: Homepage, {homepage}\n" in said and f'homepage = "{homepage}"' in rockspec.read_text()
    assert "Acquire the lock; return True" in stub
    run(python, "-m", "pip", "install", "--no-index", wheel)
    directory, library = run(python, "-c", USE, path, cwd=tmp_path).split()
    assert str(environment) in directory and Path(library).parent == Path(directory)


def test_without_a_compiler_pip_says_what_to_install(source_tree, tmp_path):
    programs = tmp_path / "programs"  # all of PATH
    programs.mkdir()
    for name in ("cmake", "make", "uname"):
        (programs / name).symlink_to(shutil.which(name))
    environment = {name: value for name, value in os.environ.items() if name not in ("CC", "CXX", "PYTHONPATH")}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "-w",
            tmp_path,
            f"--config-settings=build-dir={tmp_path}/build",
            source_tree,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        env={**environment, "PATH": str(programs)},
    )
    assert done.returncode != 0
    said = " ".join(done.stdout.split())
    assert "libshmutex needs a C compiler to build, and none is on PATH" in said and "apt install gcc" in said, (
        done.stdout
    )
    assert done.stdout.count("CMake Error") == 1, done.stdout


FREE_THREADED = """#!{python}
# Says of itself what a free-threaded build does.
import sys, sysconfig
ask = sysconfig.get_config_var
sysconfig.get_config_var = lambda name: 1 if name == "Py_GIL_DISABLED" else ask(name)
code = sys.argv[2]
sys.argv[:] = ["-c"] + sys.argv[3:]
exec(code)
"""


def configure(source_tree, build, interpreters):
    cmake = os.environ.get("CMAKE_COMMAND", "cmake")
    return subprocess.run(
        [
            cmake, "-S", str(source_tree), "-B", str(build), "-DSHMUTEX_BUILD_PYTHON=ON",
            f"-DSHMUTEX_PYTHON={interpreters}",
        ],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def tags_of(done):
    """The interpreters that it says it builds for."""
    (line,) = (line for line in done.stdout.splitlines() if "Python binding for:" in line)
    return line.split(": ")[1].split(", ")


def test_a_free_threaded_build_is_refused(source_tree, tmp_path):
    free = tmp_path / "python3.13t"
    free.write_text(FREE_THREADED.format(python=base_interpreter()))
    free.chmod(0o755)
    done = configure(source_tree, tmp_path / "build", free)
    assert done.returncode != 0 and "free-threaded" in done.stderr


def test_interpreters_of_one_version_are_built_for_once(source_tree, tmp_path):
    twice = f"{base_interpreter()};{base_interpreter()}"
    done = configure(source_tree, tmp_path / "build", twice)
    assert done.returncode == 0, done.stderr
    assert tags_of(done) == [sys.implementation.cache_tag]


def test_all_builds_for_the_distributions_first(source_tree, tmp_path):
    done = configure(source_tree, tmp_path / "build", "all")
    assert done.returncode == 0, done.stderr
    tags = tags_of(done)
    assert len(tags) == len(set(tags))
    if os.path.exists("/usr/bin/python3") and base_interpreter().startswith("/usr/bin/"):
        assert tags[0] == sys.implementation.cache_tag


@pytest.mark.parametrize("prefix", ["/usr", "/usr/local"])
def test_install(source_tree, tmp_path, path, prefix):
    """cmake --install for the distribution: where its Python looks, with the library where its linker looks."""
    cmake = os.environ.get("CMAKE_COMMAND", "cmake")
    build, root = tmp_path / "build", tmp_path / "root"
    run(
        cmake, "-S", source_tree, "-B", build, f"-DCMAKE_INSTALL_PREFIX={prefix}", "-DSHMUTEX_BUILD_PYTHON=ON",
        f"-DSHMUTEX_PYTHON={base_interpreter()}",
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
