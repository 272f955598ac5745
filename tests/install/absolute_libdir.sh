#!/bin/sh
# CMAKE_INSTALL_LIBDIR may be absolute, as distributions have it: what CMake and pkg-config read says so.
. "$HERE/common.sh"
"$CMAKE" -S "$SOURCE" -B build -DCMAKE_C_COMPILER="$CC" -DCMAKE_CXX_COMPILER="$CXX" -DCMAKE_INSTALL_PREFIX="$scratch/prefix" \
  -DCMAKE_INSTALL_LIBDIR="$scratch/libraries" > log 2>&1 || fail "$(cat log)"
"$CMAKE" --build build --parallel 2 > log 2>&1 || fail "$(cat log)"
"$CMAKE" --install build > log || fail "$(cat log)"
for file in libraries/libshmutex.so prefix/include/shmutex/shmutex.h; do
  [ -e $file ] || fail "no $file: $(cat log)"
done
"$CMAKE" -S "$HERE/consumer" -B consumer -DCMAKE_C_COMPILER="$CC" -DCONSUMER_LANGUAGE=C \
  -Dshmutex_DIR="$scratch/libraries/cmake/shmutex" > log 2>&1 || fail "$(cat log)"
"$CMAKE" --build consumer > log 2>&1 || fail "$(cat log)"
for kind in shmutex static; do
  consumer/with_$kind "$scratch/lock" | grep -qx "shmutex $VERSION" || fail "CMake, $kind"
done

command -v pkg-config > /dev/null || exit 77
export PKG_CONFIG_PATH="$scratch/libraries/pkgconfig"
[ "$(pkg-config --libs-only-L shmutex | tr -d ' ')" = "-L$scratch/libraries" ] || fail "$(pkg-config --libs-only-L shmutex)"
# shellcheck disable=SC2046
"$CC" -std=c99 $(pkg-config --cflags shmutex) "$HERE/consumer/c/main.c" $(pkg-config --libs shmutex) -o c
LD_LIBRARY_PATH=$scratch/libraries ./c "$scratch/lock" | grep -qx "shmutex $VERSION" || fail "pkg-config"
