#!/usr/bin/env bash
# Makes build/check/venv, with what requirements-check.txt names, unless it is there already.
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/.."
wanted=scripts/requirements-check.txt
venv=build/check/venv
cmp -s "$wanted" "$venv/made-from" && exit
python3 -m venv --clear "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$wanted"
cp "$wanted" "$venv/made-from"
