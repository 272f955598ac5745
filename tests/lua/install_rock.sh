#!/bin/sh
# `luarocks make` with the project's rockspec: with the library built in, and against an installed one.
#   install_rock.sh SOURCE BUILD
set -eu
if ! command -v luarocks >/dev/null; then
  echo "luarocks is not installed"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/source" "$work/home"
export HOME="$work/home"
for part in CMakeLists.txt LICENSE README.md core capi cmake pkgconfig bindings/shmutex.i bindings/lua; do
  [ -e "$1/$part" ] || continue
  mkdir -p "$work/source/$(dirname "$part")"
  cp -r "$1/$part" "$work/source/$part"
done
cp "$1"/shmutex-*.rockspec "$work/source"
cd "$work/source"

# The rockspec's name and version are the header's.
version=$(sed -n 's/^#define SHMUTEX_VERSION_[A-Z]* //p' capi/include/shmutex/shmutex.h | paste -sd.)
[ -e "shmutex-$version-1.rockspec" ]
luarocks lint "shmutex-$version-1.rockspec"

try() { # try LUA-VERSION INTERPRETER TREE
  env -u LUA_INIT LUA_PATH= LUA_CPATH="$3/lib/lua/$1/?.so" "$2" -e '
    local shmutex = require "shmutex"
    local path = os.tmpname() os.remove(path)
    path = path:gsub("^/tmp", "/dev/shm")
    local m = assert(shmutex.open(path))
    assert(m:with(function() return m:owned() end))
    assert(shmutex.unlink(path))
    print(_VERSION, shmutex._VERSION, package.cpath)'
}

make_rock() { # make_rock LUA-VERSION TREE: the module, and nothing else
  luarocks --lua-version "$1" --tree "$2" make >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
  [ "$(ls "$2/lib/lua/$1")" = shmutex.so ]
  rm -rf build.luarocks
}

for version in 5.4 5.1; do
  [ -e "/usr/include/lua$version/lua.h" ] || continue
  tree="$work/tree$version"
  make_rock "$version" "$tree"
  try "$version" "lua$version" "$tree"
  module="$tree/lib/lua/$version/shmutex.so"
  ! readelf -d "$module" | grep -q 'NEEDED.*libshmutex' # built in
  readelf -d "$module" | grep -q 'NODELETE'
  ! readelf -W --dyn-syms "$module" | grep -q ' shmutex_open' # and nobody else's business
done

cmake --install "$2" --prefix "$work/installed" >/dev/null
libraries=$(dirname "$(find "$work/installed" -name libshmutex.so)")
export CMAKE_PREFIX_PATH="$work/installed" LD_LIBRARY_PATH="$libraries"
tree="$work/tree-installed"
make_rock 5.4 "$tree"
try 5.4 lua5.4 "$tree"
readelf -d "$tree/lib/lua/5.4/shmutex.so" | grep -q 'NEEDED.*libshmutex.so.1'
