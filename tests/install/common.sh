# Sourced by each test: a fresh directory of its own, and a word on failure.
set -eu
lib=$PREFIX/$LIBDIR
include=$PREFIX/$INCLUDEDIR
strict="-Wall -Wextra -Wpedantic -Werror"
scratch=$WORK/$(basename "$0" .sh)
rm -rf "$scratch"
mkdir -p "$scratch"
cd "$scratch"

fail() {
  echo "FAILED: $*" >&2
  exit 1
}
