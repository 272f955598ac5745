#!/bin/sh
# The installed headers in every dialect that they are for; and the parts of shmutex.h as an FFI parser sees them.
. "$HERE/common.sh"
for standard in c99 c11 c17 gnu99; do
  # shellcheck disable=SC2086
  echo '#include <shmutex/shmutex.h>' | "$CC" -std=$standard $strict -I"$include" -x c -fsyntax-only - || fail "C, $standard"
done
for standard in c++11 c++17 c++20; do
  # shellcheck disable=SC2086
  echo '#include <shmutex/shmutex.h>' | "$CXX" -std=$standard $strict -I"$include" -x c++ -fsyntax-only - || fail "C++, $standard"
done
for standard in c++17 gnu++17 c++20 c++23; do
  # shellcheck disable=SC2086
  echo '#include <shmutex/shmutex.hpp>' | "$CXX" -std=$standard $strict -Wconversion -Wshadow -Wsign-conversion -Wold-style-cast \
    -I"$include" -x c++ -fsyntax-only - || fail "shmutex.hpp, $standard"
done
# Older, it is one sentence.
for language in "c++ c++11" "c++ gnu++14" "c c11"; do
  echo '#include <shmutex/shmutex.hpp>' | "$CXX" -std="${language#* }" -I"$include" -x "${language%% *}" -fsyntax-only - 2> errors &&
    fail "shmutex.hpp, $language: compiled"
  [ "$(grep -c 'error:' errors)" -eq 1 ] || fail "shmutex.hpp, $language: $(cat errors)"
  grep -q 'error:.*shmutex\.hpp needs C++17 or newer (-std=c++17)\.' errors || fail "shmutex.hpp, $language: $(cat errors)"
done

# Comments and preprocessor lines removed, it is plain declarations.
parts=$(sed -n 's/^#include <\(.*\)>$/\1/p' "$include/shmutex/shmutex.h")
for part in $parts; do
  "$CC" -fpreprocessed -dD -E -P "$include/$part" 2> /dev/null | grep -v '^ *#' >> bare.h
done
{ echo '#include <stddef.h>'; echo '#include <stdint.h>'; cat bare.h; } > bare.c
"$CC" -std=c99 -Wall -Wextra -Werror -fsyntax-only bare.c || fail "stripped of comments and # lines"
grep -nE 'static|inline|__attribute__|\.\.\.' bare.h && fail "not plain declarations"
true
