#!/bin/sh
# examples/lua/ffi.lua finds the header of the library that it loads, wherever that is installed.
. "$HERE/common.sh"
command -v luajit > /dev/null || exit 77
unset SHMUTEX_HEADER SHMUTEX_LIBRARY
run() { "$@" luajit "$SOURCE/examples/lua/ffi.lua" > log 2>&1; }

cp -a "$PREFIX" "another place"
run env LD_LIBRARY_PATH="$scratch/another place/$LIBDIR" || fail "LD_LIBRARY_PATH: $(cat log)"
grep -q '^/dev/shm/shmutex-ffi-.*: 1 recoveries$' log || fail "$(cat log)"
run env SHMUTEX_LIBRARY="$scratch/another place/$LIBDIR/libshmutex.so.1" || fail "SHMUTEX_LIBRARY: $(cat log)"

# As on Debian: include is two folders above.
mkdir -p multiarch/lib/x86_64-linux-gnu
cp -a "$PREFIX/$INCLUDEDIR" multiarch/include
cp -a "$lib"/libshmutex.so* multiarch/lib/x86_64-linux-gnu/
run env LD_LIBRARY_PATH="$scratch/multiarch/lib/x86_64-linux-gnu" || fail "multiarch: $(cat log)"

# It is the library's own header that is read, and where there is none, a sentence says so.
echo 'broken' > "multiarch/include/shmutex/shmutex.h"
run env LD_LIBRARY_PATH="$scratch/multiarch/lib/x86_64-linux-gnu" && fail "another header was read"
if [ ! -e /usr/include/shmutex ] && [ ! -e /usr/local/include/shmutex ]; then
  rm -r multiarch/include
  run env LD_LIBRARY_PATH="$scratch/multiarch/lib/x86_64-linux-gnu" && fail "ran without a header"
  grep -q 'set SHMUTEX_HEADER' log || fail "$(cat log)"
fi
