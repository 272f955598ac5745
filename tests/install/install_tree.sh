#!/bin/sh
# cmake --install into an empty prefix; nothing lands outside it.
. "$HERE/common.sh"
rm -rf "$PREFIX"
"$CMAKE" --install "$BUILD" --prefix "$PREFIX"
[ -e "$lib/libshmutex.so" ] || fail "no $lib/libshmutex.so"
