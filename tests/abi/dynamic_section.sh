#!/bin/sh
# The shared library asks for libc and the loader and nothing else, stays loaded, and binds everything at once.
. "$HERE/../support/scratch.sh"
readelf -dW "$LIBRARY" > dynamic
needed=$(sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' dynamic | grep -vE '^(libc\.so\.6|ld-linux-[a-z0-9-]+\.so\.[0-9]+)$') || true
[ -z "$needed" ] || fail "needs $needed"
grep -q '(NEEDED).*\[libc\.so\.6\]' dynamic || fail "does not need libc.so.6"
grep -qE '\(FLAGS_1\).*\bNODELETE\b' dynamic || fail "a dlclose() could unload it"
grep -qE '\(FLAGS_1\).*\bNOW\b' dynamic || fail "symbols are bound late"
grep -qE '\((RPATH|RUNPATH|TEXTREL)\)' dynamic && fail "$(cat dynamic)"
readelf -lW "$LIBRARY" | grep -q 'GNU_STACK.* RWE' && fail "an executable stack"
readelf -lW "$LIBRARY" | grep -q GNU_RELRO || fail "no RELRO"
true
