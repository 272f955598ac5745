#!/bin/sh
# libabigail's view of the functions and types, against the stored baseline; and that a break does not pass.
#
# After a compatible addition, write the baseline again:  UPDATE=1 ctest -R abi_abidiff
. "$HERE/../support/scratch.sh"
command -v abidiff > /dev/null || exit 77
baseline=$HERE/baseline-$PROCESSOR.abi

if [ "${UPDATE:-0}" = 1 ]; then
  abidw --exported-interfaces-only --no-corpus-path --no-comp-dir-path --no-show-locs --no-elf-needed "$LIBRARY" |
    sed "s|$SOURCE/||" > "$baseline"
fi
[ -f "$baseline" ] || exit 77  # no baseline for this kind of machine
readelf -SW "$LIBRARY" | grep -q '\.debug_info' || exit 77  # built without -g

compare() {
  abidiff --exported-interfaces-only "$baseline" "$1"
}
compare "$LIBRARY" || fail "the binary interface changed (abidiff: $?)"

# A library that has the interface only, built against the header as it is, and against broken copies of it.
build() {
  "$CXX" -std=c++20 -g -O0 -shared -fPIC -Wl,--version-script="$2" -I"$1" "$HERE/interface_only.cpp" \
    -Wl,-soname,libshmutex.so.1 -o "$3"
}
build "$SOURCE/capi/include" "$SOURCE/capi/shmutex.map" unbroken.so
compare ./unbroken.so || fail "the interface-only library differs by itself"

# expect_caught <name> <sed script for the header> <sed script for the map> <what abidiff says>
expect_caught() {
  mkdir "$1"
  cp -r "$SOURCE/capi/include" "$1/include"
  sed -i "$2" "$1/include/shmutex/mutex.h"
  sed "$3" "$SOURCE/capi/shmutex.map" > "$1/shmutex.map"
  build "$1/include" "$1/shmutex.map" "$1/broken.so"
  if compare "$1/broken.so" > "$1/report"; then fail "not caught: $1"; fi
  grep -q "$4" "$1/report" || fail "$1: caught for another reason: $(cat "$1/report")"
}
expect_caught field_inserted 's|^  uint32_t attributes; .*|  uint32_t inserted;\n&|' '' "'uint32_t inserted', at offset 64"
expect_caught field_widened 's|^  int32_t owner_pid; |  int64_t owner_pid; |' '' 'owner_pid'
expect_caught parameter_changed 's|^int shmutex_timedlock(shmutex_t \*m, int64_t|int shmutex_timedlock(shmutex_t *m, int32_t|' '' \
  'shmutex_timedlock'
expect_caught function_removed '' '/shmutex_poison;/d' 'shmutex_poison'
