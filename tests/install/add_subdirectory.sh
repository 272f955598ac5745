#!/bin/sh
# The source tree as a part of another project: no tests, examples or demo are built then.
. "$HERE/common.sh"
"$CMAKE" -S "$HERE/consumer/subdirectory" -B build -DCMAKE_C_COMPILER="$CC" -DCMAKE_CXX_COMPILER="$CXX" \
  -DSHMUTEX_SOURCE="$SOURCE"
"$CMAKE" --build build --parallel 2
for language in c cpp; do
  for kind in shmutex static; do
    build/${language}_with_$kind "$scratch/lock" | grep -qx "shmutex $VERSION" || fail "$language with $kind"
  done
done
for folder in tests examples scripts; do
  [ ! -d build/shmutex/$folder ] || fail "$folder is built"
done

# What the other project installs is its own business, unless it asks for this, too.
"$CMAKE" --install build --prefix "$scratch/prefix" > log
[ ! -e prefix ] || fail "installed along: $(find prefix)"
"$CMAKE" -DSHMUTEX_INSTALL=ON build > log
"$CMAKE" --build build --target all shmutex shmutex_static > log
"$CMAKE" --install build/shmutex --prefix "$scratch/prefix" > log
for file in "$LIBDIR/libshmutex.so" "$INCLUDEDIR/shmutex/shmutex.h"; do
  [ -f "prefix/$file" ] || fail "not installed: $file"
done
