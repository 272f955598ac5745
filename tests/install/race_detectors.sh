#!/bin/sh
# Programs that use the installed library, under ThreadSanitizer, Helgrind and DRD: what its locks order is no race, and
# what they do not order still is one. The library is the installed one, built without any of them.
. "$HERE/common.sh"
program=$HERE/consumer/race/main.c
export LD_LIBRARY_PATH="$lib"
compile() {
  compiler=$1
  shift
  # shellcheck disable=SC2086
  "$compiler" -std=gnu11 -g -O1 $strict "$program" -I"$include" "$@"
}

# expect SUMMARY COMMAND…: COMMAND DIRECTORY reports nothing, COMMAND DIRECTORY race what SUMMARY matches.
expect() {
  summary=$1
  shift
  "$@" "$scratch" > quiet 2>&1 || fail "$* reports what is none: $(cat quiet)"
  grep -qx counted quiet || fail "$*: $(cat quiet)"
  if "$@" "$scratch" race > racy 2>&1; then fail "$* does not report a race"; fi
  grep -q "$summary" racy || fail "$*: $(cat racy)"
  grep -q 'unprotected\|main\.c' racy || fail "$*: another race: $(cat racy)"
}

mkdir only_static
cp "$lib/libshmutex.a" only_static/
# Without randomised addresses: ThreadSanitizer wants its own.
for compiler in "$CC" clang-14; do
  command -v "$compiler" > /dev/null || continue
  compile "$compiler" -fsanitize=thread -L"$lib" -lshmutex -o tsan_shared
  compile "$compiler" -fsanitize=thread -Lonly_static -lshmutex -o tsan_static
  for program_under_test in tsan_shared tsan_static; do
    expect 'ThreadSanitizer: data race' setarch -R "./$program_under_test"
  done
done

command -v valgrind > /dev/null || { echo "valgrind is not installed"; exit 77; }
compile "$CC" -L"$lib" -lshmutex -o shared
compile "$CC" -Lonly_static -lshmutex -o static
for program_under_test in shared static; do
  expect 'Possible data race' valgrind --tool=helgrind --error-exitcode=9 "./$program_under_test"
  expect 'Conflicting store' valgrind --tool=drd --error-exitcode=9 "./$program_under_test"
done
