# shellcheck shell=sh
# Sourced by shell tests: a fresh directory of its own, and a word on failure.
set -eu
scratch=$WORK/$(basename "$0" .sh)
rm -rf "$scratch"
mkdir -p "$scratch"
cd "$scratch"

fail() {
  echo "FAILED: $*" >&2
  exit 1
}
