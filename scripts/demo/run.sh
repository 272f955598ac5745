#!/usr/bin/env bash
# The main job, for real: run.sh BUILD_DIR [INCREMENTS]
# Processes in every language that was built increment one counter: without a lock, under one lock file, and under it
# while a holder is killed in mid-update. Exit status 1 if a count under the lock is wrong, or if one of the languages
# listed in SHMUTEX_DEMO_NEEDS is missing.
set -euo pipefail

build=$(realpath "$1")
increments=${2:-20000}
here=$(dirname "$(realpath "$0")")
work=$(mktemp -d "${XDG_RUNTIME_DIR:-/dev/shm}/shmutex-demo-XXXXXX" 2>/dev/null || mktemp -d)
ledger=$work/ledger
lock=$work/counter.lock
holder=
trap '[ -z "$holder" ] || kill -9 "$holder" 2>/dev/null || true; rm -rf "$work"' EXIT

workers=()
names=()
add_worker() {
  names+=("$1")
  workers+=("$2")
}
python_worker() {
  PYTHONPATH=$build/bindings/python/$python_tag exec /usr/bin/python3 -B "$here/worker.py" "$@"
}
lua_worker() {
  LUA_CPATH="$build/bindings/lua/5.4/?.so" exec lua5.4 "$here/worker.lua" "$@"
}
add_worker C "$build/scripts/demo/demo-worker-c"
add_worker C++ "$build/scripts/demo/demo-worker-cpp"
python_tag=$(/usr/bin/python3 -c 'import sys; print("cpython-%d%d" % sys.version_info[:2])' 2>/dev/null || true)
[ ! -d "$build/bindings/python/$python_tag/shmutex" ] || add_worker Python python_worker
[ ! -e "$build/bindings/lua/5.4/shmutex.so" ] || add_worker Lua lua_worker

for language in ${SHMUTEX_DEMO_NEEDS:-}; do
  [[ " ${names[*]} " == *" $language "* ]] || { echo "There is no worker in $language." >&2; exit 1; }
done

failures=0
expected=0

# count LOCK: two processes of each language, all at once.
count() {
  local pids=() worker
  printf '%020d %020d\n' 0 0 > "$ledger"
  for worker in "${workers[@]}" "${workers[@]}"; do
    "$worker" "$ledger" "$1" count "$increments" &
    pids+=($!)
  done
  expected=$((increments * ${#pids[@]}))
  [ -z "${2:-}" ] || "$2"
  for worker in "${pids[@]}"; do
    wait "$worker" || { echo "   a worker failed"; failures=$((failures + 1)); }
  done
}

report() {
  local first second
  read -r first second < "$ledger"
  first=$((10#$first)) second=$((10#$second))
  echo "   expected $expected, counted $first: $((expected - first)) lost"
  if [ "$1" = checked ] && { [ "$first" -ne "$expected" ] || [ "$second" -ne "$expected" ]; }; then
    echo "   WRONG: the two numbers are $first and $second"
    failures=$((failures + 1))
  fi
}

# Takes the lock in the midst of the others, does half an update, and is killed there.
kill_a_holder() {
  local line
  exec {from_holder}< <(exec "$build/scripts/demo/demo-worker-c" "$ledger" "$lock" die)
  holder=$!
  # The holder may be told of an earlier death first; it never is here, so its first line is "inside".
  read -r line <&"$from_holder"
  echo "   process $holder holds the lock and has done half an update ($line): kill -9 $holder"
  kill -9 "$holder"
  holder=
  exec {from_holder}<&-
}

echo "1. ${names[*]}: two processes each, $increments increments each, no lock"
count -
report unchecked
echo "2. The same under one lock file"
count "$lock"
report checked
echo "3. The same, and a holder is killed in mid-update"
count "$lock" kill_a_holder
report checked

if [ "$failures" -ne 0 ]; then
  echo "FAILED"
  exit 1
fi
echo "Nothing lost, nobody stuck, and the death was told."
