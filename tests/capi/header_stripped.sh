#!/bin/sh
# header_stripped.sh COMPILER DIRECTORY: without comments and preprocessor lines, which is how FFI parsers read them,
# the parts of shmutex.h are plain C that declares every function. cffi is asked too where it is installed.
set -eu
compiler=$1
include=$2
directory=$(mktemp -d)
header=$directory/all.h
trap 'rm -rf "$directory"' EXIT

parts=$(sed -n 's/^#include <\(.*\)>$/\1/p' "$include/shmutex/shmutex.h")
for part in $parts; do cat "$include/$part"; done >"$header"
"$compiler" -fpreprocessed -dD -E -P -x c "$header" | sed '/^[[:space:]]*#/d' >"$directory/stripped.h"
test "$(grep -c '^[[:space:]]*#' "$directory/stripped.h")" -eq 0
{
  echo '#include <stddef.h>'
  echo '#include <stdint.h>'
  cat "$directory/stripped.h"
  # Each function that the header declares, used with its own type.
  echo 'int main(void) {'
  sed -n 's/.*[ *]\(shmutex_[a-z_]*\)(.*/\1/p' "$header" | grep -v '_t$' | sort -u >"$directory/names"
  grep -o 'shmutex_[a-z_]*' "$directory/stripped.h" | sort -u >"$directory/declared"
  grep -Fxf "$directory/declared" "$directory/names" | sed 's/.*/  (void)\&&;/'
  echo '  return 0; }'
} >"$directory/check.c"
test "$(grep -c '(void)&' "$directory/check.c")" -ge 24
"$compiler" -std=c99 -Wall -Wextra -Wpedantic -Werror -fsyntax-only "$directory/check.c"
if grep -n '\(inline\|__attribute__\|\.\.\.\)' "$directory/stripped.h"; then
  echo "not for FFI parsers" >&2
  exit 1
fi
if python3 -c 'import cffi' 2>/dev/null; then
  printf '#include <shmutex/shmutex.h>\n#include <stdio.h>\nint main(void) { printf("%%zu", sizeof(shmutex_info_t)); }\n' \
    >"$directory/size.c"
  "$compiler" -I"$include" "$directory/size.c" -o "$directory/size"
  python3 - "$directory/stripped.h" "$("$directory/size")" <<'PYTHON'
import sys
import cffi
ffi = cffi.FFI()
ffi.cdef(open(sys.argv[1]).read())
assert ffi.sizeof("shmutex_info_t") == int(sys.argv[2])
PYTHON
fi
