#!/bin/sh
# An installed tree that was moved to another directory works there: CMake and pkg-config say where it is now.
. "$HERE/common.sh"
cp -a "$PREFIX" first
mv first "second place"
moved="$scratch/second place"
for language in C CXX; do
  "$CMAKE" -S "$HERE/consumer" -B $language -DCMAKE_C_COMPILER="$CC" -DCMAKE_CXX_COMPILER="$CXX" \
    -DCONSUMER_LANGUAGE=$language -DCMAKE_PREFIX_PATH="$moved" > log 2>&1 || fail "$(cat log)"
  grep -q "^shmutex_DIR:PATH=$moved" $language/CMakeCache.txt || fail "found elsewhere: $(grep shmutex_DIR $language/CMakeCache.txt)"
  "$CMAKE" --build $language > log 2>&1 || fail "$(cat log)"
  for kind in shmutex static; do
    $language/with_$kind "$scratch/lock" | grep -qx "shmutex $VERSION" || fail "$language with $kind"
  done
done

command -v pkg-config > /dev/null || exit 77
export PKG_CONFIG_PATH="$moved/$LIBDIR/pkgconfig"
leads_to() { realpath "$(pkg-config --variable="$1" shmutex | sed 's/[\]//g')"; } # the space is quoted there
[ "$(leads_to includedir)" = "$moved/$INCLUDEDIR" ] || fail "includedir: $(leads_to includedir)"
[ "$(leads_to libdir)" = "$moved/$LIBDIR" ] || fail "libdir: $(leads_to libdir)"
eval "\"$CC\" $(pkg-config --cflags shmutex) \"$HERE/consumer/c/main.c\" $(pkg-config --libs shmutex) -o c" || fail "pkg-config"
LD_LIBRARY_PATH=$moved/$LIBDIR ./c "$scratch/lock" | grep -qx "shmutex $VERSION" || fail "pkg-config: ran wrong"
