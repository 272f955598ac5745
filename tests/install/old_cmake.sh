# shellcheck shell=sh
# Sourced: old_cmake VERSION prints the path of that CMake, which comes from PyPI the first time.
old_cmake() {
  if [ ! -x "$WORK/cmake-$1/cmake/data/bin/cmake" ]; then
    for python in /usr/bin/python3 python3; do
      "$python" -c 'import ensurepip, venv' 2> /dev/null && break
    done
    rm -rf "$WORK/cmake-$1" "$WORK/cmake-environment"
    "$python" -m venv "$WORK/cmake-environment" >&2
    "$WORK/cmake-environment/bin/python" -m pip --disable-pip-version-check --quiet install --only-binary :all: \
      --target "$WORK/cmake-$1" "cmake==$1.*" >&2
  fi
  echo "$WORK/cmake-$1/cmake/data/bin/cmake"
}
