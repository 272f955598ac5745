# Sourced by each test.
set -eu
scratch=$WORK/$(basename "$0" .sh)
rm -rf "$scratch"
mkdir -p "$scratch"
cd "$scratch"

fail() {
  echo "FAILED: $*" >&2
  exit 1
}
