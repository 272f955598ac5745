#!/bin/sh
# What is installed, name by name.
. "$HERE/common.sh"
major=${VERSION%%.*}
[ "$(readlink "$lib/libshmutex.so")" = "libshmutex.so.$major" ] || fail "libshmutex.so leads to $(readlink "$lib/libshmutex.so")"
[ "$(readlink "$lib/libshmutex.so.$major")" = "libshmutex.so.$VERSION" ] || fail "libshmutex.so.$major"
readelf -d "$lib/libshmutex.so" | grep -q "SONAME.*\[libshmutex\.so\.$major\]" || fail SONAME
for file in "$lib/libshmutex.so.$VERSION" "$lib/libshmutex.a" "$lib/pkgconfig/shmutex.pc" \
  "$lib/cmake/shmutex/shmutex-config.cmake" "$lib/cmake/shmutex/shmutex-config-version.cmake" \
  "$lib/cmake/shmutex/shmutex-targets.cmake" "$include/shmutex/shmutex.h" "$include/shmutex/shmutex.hpp" \
  "$include/shmutex/base.h" "$include/shmutex/mutex.h" "$include/shmutex/detail/begin.h" \
  "$include/shmutex/detail/end.h" "$include/shmutex/detail/advice.hpp" "$include/shmutex/detail/recovery.h" "$PREFIX/$MANDIR/man7/shmutex.7"; do
  if [ ! -f "$file" ] || [ -L "$file" ]; then fail "no $file"; fi
done
grep -rnE "$SOURCE|$BUILD/(capi|core)" "$lib/cmake" "$lib/pkgconfig" "$include" &&
  fail "an installed file names the build or the source tree"
true
