#!/bin/sh
# The oldest CMake and the oldest compilers that README.md names build the library without a warning, and what they
# install works.
. "$HERE/common.sh"
. "$HERE/old_cmake.sh"
grep -q 'CMake 3\.21 or newer' "$SOURCE/README.md" || fail "README.md names another CMake"
grep -q 'g++ 11 or clang 14, or newer' "$SOURCE/README.md" || fail "README.md names other compilers"
{ command -v g++-11 && command -v gcc-11; } > /dev/null || { echo "g++-11 is not installed"; exit 77; }
cmake=$(old_cmake 3.21)
"$cmake" --version | grep -q 'version 3\.21' || fail "not CMake 3.21: $("$cmake" --version)"

# build <name> <C compiler> <C++ compiler>
build() {
  "$cmake" -S "$SOURCE" -B "$1" -DCMAKE_C_COMPILER="$2" -DCMAKE_CXX_COMPILER="$3" -DSHMUTEX_WERROR=ON > "$1.log" 2>&1 ||
    fail "$1: $(cat "$1.log")"
  grep -i warning "$1.log" && fail "$1: configured with warnings"
  "$cmake" --build "$1" --parallel 2 > "$1.log" 2>&1 || fail "$1: $(cat "$1.log")"
  "$cmake" --install "$1" --prefix "$scratch/$1/prefix" > "$1.log" || fail "$1: $(cat "$1.log")"
  for language in C CXX; do
    "$cmake" -S "$HERE/consumer" -B "$1/$language" -DCONSUMER_LANGUAGE=$language -DCMAKE_PREFIX_PATH="$scratch/$1/prefix" \
      -DCMAKE_C_COMPILER="$2" -DCMAKE_CXX_COMPILER="$3" > "$1.log" 2>&1 || fail "$1: $(cat "$1.log")"
    "$cmake" --build "$1/$language" > "$1.log" 2>&1 || fail "$1: $(cat "$1.log")"
    for kind in shmutex static; do
      "$1/$language/with_$kind" "$scratch/lock" | grep -qx "shmutex $VERSION" || fail "$1: $language with $kind"
    done
  done
}

build gcc gcc-11 g++-11
if command -v clang++-14 > /dev/null; then build clang clang-14 clang++-14; fi

# The presets are of a version that it can read.
(cd "$SOURCE" && "$cmake" -N --preset release) > log 2>&1 || fail "$(cat log)"
