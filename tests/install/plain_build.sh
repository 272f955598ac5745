#!/bin/sh
# `cmake -B build && cmake --build build`, with nothing but a compiler: the library, and nothing else. Presets ask for
# more.
. "$HERE/common.sh"
# find_package() finds nothing here, GoogleTest least of all.
"$CMAKE" -S "$SOURCE" -B build -DCMAKE_C_COMPILER="$CC" -DCMAKE_CXX_COMPILER="$CXX" -DCMAKE_DISABLE_FIND_PACKAGE_GTest=ON \
  -DCMAKE_DISABLE_FIND_PACKAGE_Threads=ON > log 2>&1 || fail "$(cat log)"
"$CMAKE" --build build --parallel 2 > log 2>&1 || fail "$(cat log)"
for folder in tests examples scripts bench bindings; do
  [ ! -d build/$folder ] || fail "$folder is configured"
done
find build -name 'libshmutex.*' | grep -q '/libshmutex\.so$' || fail "no libshmutex.so"
# Nothing that is linked but the library.
find build -type f -perm -100 ! -path '*/CMakeFiles/*' ! -name 'libshmutex.so*' | grep . && fail "something else is built"

# Asked for without GoogleTest, the tests say what they need.
"$CMAKE" -S "$SOURCE" -B with_tests -DCMAKE_C_COMPILER="$CC" -DCMAKE_CXX_COMPILER="$CXX" -DCMAKE_DISABLE_FIND_PACKAGE_GTest=ON \
  -DSHMUTEX_BUILD_TESTS=ON > log 2>&1 && fail "the tests were configured without GoogleTest"
tr -s ' \n' ' ' < log | grep -qF "The tests need GoogleTest (Debian, Ubuntu: apt install libgtest-dev)." || fail "$(cat log)"

for preset in release debug asan tsan coverage; do
  (cd "$SOURCE" && "$CMAKE" -N --preset $preset) > log || fail "preset $preset"
  grep -q 'SHMUTEX_BUILD_TESTS="ON"' log || fail "preset $preset asks for no tests: $(cat log)"
done
