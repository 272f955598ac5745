#!/bin/sh
# Installs from one build tree at once, each into a prefix of its own: all of them are whole, and none knows of
# another's.
. "$HERE/common.sh"
for run in $(seq 20); do
  for prefix in a b c; do
    "$CMAKE" --install "$BUILD" --prefix "$scratch/$prefix" > "$prefix.log" 2>&1 &
    eval "$prefix=$!"
  done
  # shellcheck disable=SC2154
  for pid in $a $b $c; do
    wait "$pid" || fail "run $run: $(cat ./*.log)"
  done
  [ -s "a/$LIBDIR/pkgconfig/shmutex.pc" ] || fail "run $run: no shmutex.pc"
  for prefix in b c; do
    diff -r a $prefix || fail "run $run: $prefix is not as a"
  done
  grep -r "$scratch" a b c && fail "run $run: a file names its prefix"
  rm -r a b c
done
