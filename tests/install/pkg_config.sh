#!/bin/sh
# pkg-config, without CMake.
. "$HERE/common.sh"
command -v pkg-config > /dev/null || exit 77
export PKG_CONFIG_PATH="$lib/pkgconfig"
[ "$(pkg-config --modversion shmutex)" = "$VERSION" ] || fail "version: $(pkg-config --modversion shmutex)"
[ "$(realpath "$(pkg-config --variable=prefix shmutex)")" = "$(realpath "$PREFIX")" ] ||
  fail "prefix: $(pkg-config --variable=prefix shmutex)"
# shellcheck disable=SC2046,SC2086
"$CC" -std=c99 $strict $(pkg-config --cflags shmutex) "$HERE/consumer/c/main.c" $(pkg-config --libs shmutex) -o c
# shellcheck disable=SC2046,SC2086
"$CXX" -std=c++17 $strict $(pkg-config --cflags shmutex) "$HERE/consumer/cpp/main.cpp" $(pkg-config --libs shmutex) -o cpp
for program in c cpp; do
  LD_LIBRARY_PATH=$lib ./$program "$scratch/lock" | grep -qx "shmutex $VERSION" || fail $program
done
