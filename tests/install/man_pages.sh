#!/bin/sh
# Every exported function has a page, every page is clean, and every .so link leads to a page.
. "$HERE/common.sh"
man=$PREFIX/$MANDIR
functions=$(sed -n 's/^    \(shmutex_[a-z_]*\);$/\1/p' "$SOURCE/capi/shmutex.map")
for function in $functions; do
  page=$man/man3/$function.3
  [ -f "$page" ] || fail "no page for $function"
  target=$(sed -n 's/^\.so //p' "$page")
  [ -z "$target" ] || page=$man/$target
  [ -f "$page" ] || fail "$function: the link leads to no page: $target"
  grep -q "$function" "$page" || fail "$page does not tell of $function"
done
constants=$(grep -ohE '\bSHMUTEX_[A-Z_]+ = ' "$include"/shmutex/*.h | cut -d' ' -f1)
for constant in $constants; do
  grep -rqF "$constant" "$man/man3" || fail "no page tells of $constant"
done
reasons=$(sed -n 's/^REASON(\([a-z_]*\),.*/\1/p' "$SOURCE/core/error/reasons.inc")
for reason in $reasons; do
  grep -qx "\.B $reason" "$man/man3/shmutex_error_reason.3" || fail "shmutex_error_reason(3) does not tell of $reason"
done
documented=$(sed -n '/^\.SH REASONS/,/^\.SH ATTRIBUTES/s/^\.B \([a-z_]*\)$/\1/p' "$man/man3/shmutex_error_reason.3")
[ "$documented" = "$reasons" ] || fail "shmutex_error_reason(3) tells of others, or in another order: $documented"

command -v groff > /dev/null || exit 77
for page in "$man"/man3/*shmutex*.3 "$man"/man7/shmutex.7; do
  (cd "$man" && groff -man -Tutf8 -ww -z "$page") 2> warnings || true
  [ ! -s warnings ] || fail "groff: $page: $(cat warnings)"
  if command -v mandoc > /dev/null && ! grep -q '^\.so ' "$page"; then
    mandoc -T lint -W warning "$page" > warnings 2>&1 || fail "mandoc: $page: $(cat warnings)"
  fi
done
