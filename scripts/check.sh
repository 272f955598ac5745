#!/usr/bin/env bash
# check.sh BUILD: what can be said of the sources without running them. BUILD: a configured build folder, which knows how
# files are compiled. All checks run, also after one that fails.
# shellcheck disable=SC2317 # the checks are called by names that are put together
set -uo pipefail
cd "$(dirname "$(realpath "$0")")/.." || exit 1
build=$1
jobs=${JOBS:-$(nproc)}
work=build/check
mkdir -p "$work"
scripts/check_environment.sh || exit 1

# Another version finds other things. The C and C++ tools have theirs in their names.
require() {
  local found
  found=$("$1" --version 2>&1 | grep -Eo '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1)
  [ "$found" = "$2" ] || { echo "$1 is needed in version $2; this is ${found:-none}."; return 1; }
}

# Of what git knows and is still there.
files() {
  git ls-files -z -- "$@" | while read -r -d '' file; do
    if [ -f "$file" ]; then printf '%s\0' "$file"; fi
  done
}

in_parallel() { xargs -0 -r -P "$jobs" "$@"; }

check_format() { files '*.c' '*.cpp' '*.h' '*.hpp' | in_parallel -n 20 clang-format-14 --dry-run -Werror; }

# Each file once, however many targets compile it. The tests are left out: GoogleTest's macros are not ours. How the
# analyzer came to a finding stays in tidy.txt.
check_tidy() {
  python3 - "$build/compile_commands.json" "$work/compile_commands.json" << 'END' || return 1
import json, sys
commands = json.load(open(sys.argv[1]))
json.dump(list({command["file"]: command for command in reversed(commands)}.values()), open(sys.argv[2], "w"))
END
  files 'core/*.cpp' 'capi/*.cpp' 'bindings/*.c' 'examples/*.c' 'examples/*.cpp' 'scripts/*.c' 'scripts/*.cpp' |
    in_parallel -n 1 clang-tidy-14 --quiet -p "$work" > "$work/tidy.txt" 2>&1 && return
  grep -E '(error|warning): ' "$work/tidy.txt" | sort -u
  echo "In full: $work/tidy.txt"
  return 1
}

check_shell() {
  require shellcheck 0.9.0 || return 1
  { files '*.sh' dev .ci/run; } | in_parallel -n 8 shellcheck --external-sources --format=gcc
}

check_python() {
  "$work/venv/bin/ruff" check --quiet . && "$work/venv/bin/ruff" format --quiet --check .
}

check_lua() {
  require luacheck 1.1.0 || return 1
  files '*.lua' | in_parallel luacheck --no-color --quiet --codes
}

# The words of the texts and the sources. What programs wrote is left out.
check_spelling() {
  files ':!*.svg' ':!*.abi' ':!*.json' ':!tests/hostile/corpus' | in_parallel "$work/venv/bin/codespell"
}

check_layers() { scripts/check_layers.py; }
check_length() { scripts/check_length.py; }

failed=0
for check in layers length format shell python lua spelling tidy; do
  start=${EPOCHREALTIME/./}
  verdict=ok
  output=$("check_$check" 2>&1) || { verdict=FAILED; failed=1; }
  took=$(((${EPOCHREALTIME/./} - start) / 100000))
  printf '%-6s %3d.%d s  %s\n' "$verdict" $((took / 10)) $((took % 10)) "$check"
  [ "$verdict" = ok ] || head -n 50 <<< "$output"
done
exit $failed
