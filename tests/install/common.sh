# shellcheck shell=sh disable=SC2034
# Sourced by each test.
lib=$PREFIX/$LIBDIR
include=$PREFIX/$INCLUDEDIR
strict="-Wall -Wextra -Wpedantic -Werror"
. "$HERE/../support/scratch.sh"
