#!/bin/sh
# The target `uninstall` removes what was installed, with directories of ours, and nothing else.
. "$HERE/common.sh"
"$CMAKE" -S "$SOURCE" -B build -DCMAKE_C_COMPILER="$CC" -DCMAKE_CXX_COMPILER="$CXX" -DCMAKE_INSTALL_PREFIX="$scratch/prefix" \
  > log 2>&1 || fail "$(cat log)"
"$CMAKE" --build build --parallel 2 > log 2>&1 || fail "$(cat log)"
"$CMAKE" --build build --target uninstall > log 2>&1 && fail "there was nothing to remove, and nothing was said"
tr -s ' \n' ' ' < log | grep -qF "Nothing has been installed from" || fail "$(cat log)"

mkdir -p prefix/include prefix/lib
echo other > prefix/include/other.h
# All at once, and by component.
for way in "" "--component runtime" "--component development"; do
  # shellcheck disable=SC2086
  "$CMAKE" --install build $way > log
  [ "$(find prefix -name 'libshmutex*' | wc -l)" -gt 0 ] || fail "$way: nothing is installed"
  "$CMAKE" --build build --target uninstall > log 2>&1 || fail "$way: $(cat log)"
  [ "$(find prefix ! -type d)" = prefix/include/other.h ] || fail "$way: left: $(find prefix ! -type d)"
  find prefix -name '*shmutex*' | grep . && fail "$way: a directory is left"
done

# DESTDIR, a file that was removed already, and one that is not ours in a directory of ours.
DESTDIR=$scratch/root "$CMAKE" --install build > log
headers=$scratch/root$scratch/prefix/include/shmutex
rm "$headers/shmutex.hpp"
echo mine > "$headers/mine.h"
DESTDIR=$scratch/root "$CMAKE" --build build --target uninstall > log 2>&1 || fail "DESTDIR: $(cat log)"
[ "$(find root ! -type d)" = "root$scratch/prefix/include/shmutex/mine.h" ] || fail "DESTDIR: left: $(find root ! -type d)"
