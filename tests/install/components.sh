#!/bin/sh
# Each file that gets installed belongs to one component, and to the right one.
. "$HERE/common.sh"
listing() { (cd "$1" 2> /dev/null && find . ! -type d | sort) || true; }
"$CMAKE" --install "$BUILD" --prefix "$scratch/all" > log
for component in runtime development documentation python lua; do
  "$CMAKE" --install "$BUILD" --prefix "$scratch/$component" --component $component > log || fail "$component: $(cat log)"
  listing $component
done | sort > parts
listing all | diff - parts || fail "the components together are not all there is, or one file is in two"

major=${VERSION%%.*}
[ "$(listing runtime | tr '\n' ' ')" = "./$LIBDIR/libshmutex.so.$major ./$LIBDIR/libshmutex.so.$VERSION " ] ||
  fail "runtime: $(listing runtime)"
listing development | grep -vE "^\./($INCLUDEDIR|$LIBDIR/cmake|$LIBDIR/pkgconfig)/|/libshmutex\.(so|a)$" && fail "development has more"
for file in libshmutex.so libshmutex.a pkgconfig/shmutex.pc cmake/shmutex/shmutex-config.cmake; do
  listing development | grep -qxF "./$LIBDIR/$file" || fail "development has no $file"
done
listing documentation | grep -v "^\./$MANDIR/man[357]/" && fail "documentation has more"
listing documentation | grep -qx "\./$MANDIR/man7/shmutex\.7" || fail "documentation has no shmutex(7)"
grep -q '^SHMUTEX_BUILD_PYTHON:BOOL=ON' "$BUILD/CMakeCache.txt" && { listing python | grep -q '/shmutex/__init__\.py$' || fail "python"; }
grep -q '^SHMUTEX_BUILD_LUA:BOOL=ON' "$BUILD/CMakeCache.txt" && { listing lua | grep -q '/shmutex\.so$' || fail "lua"; }
true
