#!/bin/sh
# What is exported equals the reviewed list in symbols.txt; and each of it is declared in a header, and the other way
# round.
. "$HERE/../support/scratch.sh"
nm -D --defined-only "$LIBRARY" | awk '$2 != "A" { print $3 }' | LC_ALL=C sort > found
diff "$HERE/symbols.txt" found || fail "the exported symbols are not those of symbols.txt"
sed 's/@@.*//' "$HERE/symbols.txt" > names
grep -oE '\bshmutex_[a-z_]+\(' "$SOURCE"/capi/include/shmutex/*.h -h | tr -d '(' | LC_ALL=C sort -u > mentioned
diff names mentioned || fail "the headers and symbols.txt differ"
