#!/bin/sh
# Runs bench.lua on each Lua that modules were built for. Exit status 1 if any missed a target; all of them run.
#   run.sh BUILD OUTPUT      OUTPUT: the table, as Markdown
set -u
here=$(dirname "$0")
build=$1
output=$2
# Once more, watched, so that the page says on what it ran and how undisturbed.
if [ -z "${SHMUTEX_BENCH_WATCHED:-}" ]; then
  export SHMUTEX_BENCH_WATCHED=1
  exec python3 "$here/../conditions.py" "$output" "$0" "$@"
fi
rm -f "$output"
missed=0
for directory in "$build"/bench/lua/*/; do
  version=$(basename "$directory")
  [ -e "$directory/handwritten.so" ] || continue
  case $version in
    luajit) interpreter=luajit ;;
    *) interpreter=lua$version ;;
  esac
  LUA_CPATH="$build/bindings/lua/$version/?.so;$build/bench/lua/$version/?.so" \
    "$interpreter" "$here/bench.lua" --output "$output" ${SHMUTEX_BENCH_ROUNDS:+"$SHMUTEX_BENCH_ROUNDS"} || missed=1
done
exit $missed
