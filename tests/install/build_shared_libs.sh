#!/bin/sh
# BUILD_SHARED_LIBS says what shmutex::shmutex is, and which libraries there are.
. "$HERE/common.sh"
compilers="-DCMAKE_C_COMPILER=$CC -DCMAKE_CXX_COMPILER=$CXX"
libraries() { (cd "$1" && find . -name 'libshmutex.so' -o -name 'libshmutex.a' | sed 's|.*/||' | sort | tr '\n' ' '); }
is_shared() { readelf -d "$1" | grep -q 'NEEDED.*libshmutex'; }

# check <name> <libraries> <kind of shmutex::shmutex> [cmake arguments]
check() {
  name=$1
  files=$2
  kind=$3
  shift 3
  # shellcheck disable=SC2086
  "$CMAKE" -S "$SOURCE" -B "$name" $compilers "$@" > log 2>&1 || fail "$name: $(cat log)"
  "$CMAKE" --build "$name" --parallel 2 > log 2>&1 || fail "$name: $(cat log)"
  [ "$(libraries "$name")" = "$files" ] || fail "$name: built: $(libraries "$name")"
  "$CMAKE" --install "$name" --prefix "$scratch/$name-prefix" > log || fail "$name: $(cat log)"
  [ "$(libraries "$name-prefix")" = "$files" ] || fail "$name: installed: $(libraries "$name-prefix")"

  # Installed; and as a part of another project.
  case $files in *.a*) with_static=ON ;; *) with_static=OFF ;; esac
  # shellcheck disable=SC2086
  "$CMAKE" -S "$HERE/consumer" -B "$name/C" $compilers -DCONSUMER_LANGUAGE=C -DWITH_STATIC=$with_static \
    -DCMAKE_PREFIX_PATH="$scratch/$name-prefix" > log 2>&1 || fail "$name: $(cat log)"
  "$CMAKE" --build "$name/C" > log 2>&1 || fail "$name: $(cat log)"
  expect "$name/C/with_shmutex" "$kind"
  [ $with_static = OFF ] || expect "$name/C/with_static" static
  # shellcheck disable=SC2086
  "$CMAKE" -S "$HERE/consumer/subdirectory" -B "$name-part" $compilers -DSHMUTEX_SOURCE="$SOURCE" "$@" > log 2>&1 || fail "$(cat log)"
  "$CMAKE" --build "$name-part" --parallel 2 > log 2>&1 || fail "$name: $(cat log)"
  for language in c cpp; do
    expect "$name-part/${language}_with_shmutex" "$kind"
    expect "$name-part/${language}_with_static" static
  done
}

# expect <program> shared|static
expect() {
  LD_LIBRARY_PATH=$scratch/$name-prefix/$LIBDIR "$1" "$scratch/lock" | grep -qx "shmutex $VERSION" || fail "$1: ran wrong"
  if is_shared "$1"; then [ "$2" = shared ] || fail "$1 is linked to the shared library"
  else [ "$2" = static ] || fail "$1 has the library inside"; fi
}

# Not set: what the other tests use.
check on "libshmutex.so " shared -DBUILD_SHARED_LIBS=ON
check off "libshmutex.a " static -DBUILD_SHARED_LIBS=OFF

# With no shared library the bindings have it inside.
if grep -q '^SHMUTEX_BUILD_PYTHON:BOOL=ON' "$BUILD/CMakeCache.txt"; then
  "$CMAKE" -DSHMUTEX_BUILD_PYTHON=ON -DSHMUTEX_BUILD_LUA=ON off > log 2>&1 || fail "$(cat log)"
  "$CMAKE" --build off --parallel 2 > log 2>&1 || fail "$(cat log)"
  find off/bindings \( -name 'shmutex.so' -o -name '_shmutex.*.so' \) > modules
  [ "$(grep -c _shmutex modules)" -eq 1 ] || fail "no Python module: $(cat modules)"
  [ "$(wc -l < modules)" -gt 1 ] || fail "no Lua module: $(cat modules)"
  while read -r module; do
    readelf -d "$module" | grep -E 'NEEDED.*(libshmutex|libstdc)' && fail "$module asks for it"
    readelf -d "$module" | grep -q NODELETE || fail "$module may be unloaded"
  done < modules
  module=$(grep _shmutex modules)
  python=$(sed -n 's/^SHMUTEX_PYTHON:STRING=//p' off/CMakeCache.txt)
  PYTHONPATH=$(dirname "$(dirname "$module")") "$python" -c "import shmutex
with shmutex.SharedMutex('$scratch/of_python') as mutex: assert mutex.owned" || fail "python"
fi

# pkg-config needs no word about it.
if command -v pkg-config > /dev/null; then
  export PKG_CONFIG_PATH="$scratch/off-prefix/$LIBDIR/pkgconfig"
  # shellcheck disable=SC2046
  "$CC" -std=c99 $(pkg-config --cflags shmutex) "$HERE/consumer/c/main.c" $(pkg-config --libs shmutex) -o by_pkg_config
  name=off expect ./by_pkg_config static
fi
