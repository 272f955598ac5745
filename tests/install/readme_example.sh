#!/bin/sh
# The first C example of README.md, compiled exactly as it is shown there, and run.
. "$HERE/common.sh"
awk '/^```c$/ { inside = 1; next } /^```$/ { if (inside) exit } inside' "$SOURCE/README.md" > counter.c
[ "$(wc -l < counter.c)" -eq 15 ] || fail "the example has $(wc -l < counter.c) lines"
cmp counter.c "$SOURCE/examples/counter.c" || fail "examples/counter.c is another program"
# shellcheck disable=SC2086
"$CC" -std=c99 $strict counter.c -I"$include" -L"$lib" -lshmutex -o counter
export LD_LIBRARY_PATH="$lib"
rm -f /dev/shm/counter /dev/shm/counter.lock
trap 'rm -f /dev/shm/counter /dev/shm/counter.lock' EXIT

# A hundred runs at once: each has a number of its own.
for run in $(seq 100); do
  ./counter > "out.$run" &
done
wait
cat out.* | sort -u | wc -l | grep -qx 100 || fail "not a hundred numbers: $(cat out.* | sort | uniq -c | sort -rn | head -3)"
grep -qx 'run number 100' out.* || fail "no run number 100"
