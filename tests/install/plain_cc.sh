#!/bin/sh
# cc prog.c -lshmutex: with the shared library, and with the static one, which asks for no C++ runtime.
. "$HERE/common.sh"
# shellcheck disable=SC2086
"$CC" -std=c99 $strict "$HERE/consumer/c/main.c" -I"$include" -L"$lib" -lshmutex -o shared
LD_LIBRARY_PATH=$lib ./shared "$scratch/lock" | grep -qx "shmutex $VERSION" || fail shared

mkdir only_static
cp "$lib/libshmutex.a" only_static/
# shellcheck disable=SC2086
"$CC" -std=c99 $strict "$HERE/consumer/c/main.c" -I"$include" -Lonly_static -lshmutex -o static
./static "$scratch/lock" | grep -qx "shmutex $VERSION" || fail static
readelf -d static | grep -Eq 'lib(stdc\+\+|gcc_s|shmutex|m|pthread)' && fail "the static library brings a shared one: $(readelf -d static)"

# And without any shared library at all.
# shellcheck disable=SC2086
"$CC" -static -std=c99 $strict "$HERE/consumer/c/main.c" -I"$include" -Lonly_static -lshmutex -o fully_static
./fully_static "$scratch/lock" | grep -qx "shmutex $VERSION" || fail "fully static"
