#!/bin/sh
# The whole library, stripped, is under 100 KiB.
. "$HERE/../support/scratch.sh"
"$STRIP" -o stripped "$LIBRARY"
bytes=$(wc -c < stripped)
echo "$bytes bytes stripped"
[ "$bytes" -lt 102400 ] || fail "$bytes bytes"
