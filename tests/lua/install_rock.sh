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
for part in CMakeLists.txt LICENSE README.md core capi cmake pkgconfig bindings/common bindings/lua; do
  [ -e "$1/$part" ] || continue
  mkdir -p "$work/source/$(dirname "$part")"
  cp -r "$1/$part" "$work/source/$part"
done
cp "$1"/shmutex-*.rockspec "$work/source"
cd "$work/source"

# The rockspec's name and version are the header's.
version=$(sed -n 's/^#define SHMUTEX_VERSION_[A-Z]* //p' capi/include/shmutex/base.h | paste -sd.)
[ -e "shmutex-$version-1.rockspec" ]
luarocks lint "shmutex-$version-1.rockspec"

try() { # try LUA-VERSION INTERPRETER TREE
  env -u LUA_INIT -u LD_LIBRARY_PATH LUA_PATH= LUA_CPATH="$3/lib/lua/$1/?.so" "$2" -e '
    local shmutex = require "shmutex"
    local path = os.tmpname() os.remove(path)
    path = path:gsub("^/tmp", "/dev/shm")
    local m = assert(shmutex.open(path))
    assert(m:with(function() return m:owned() end))
    assert(shmutex.unlink(path))
    print(jit and jit.version or _VERSION, shmutex._VERSION, package.cpath)'
}

make_rock() { # make_rock LUA-VERSION TREE [luarocks variables]: the module, and nothing else
  version=$1
  tree=$2
  shift 2
  luarocks --lua-version "$version" --tree "$tree" make "$@" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
  [ "$(ls "$tree/lib/lua/$version")" = shmutex.so ]
  rm -rf build.luarocks
}

is_there() { [ -e "$1/lua.h" ] && command -v "$2" >/dev/null; }

# With the library built in: once, since it is the same for all.
if is_there /usr/include/lua5.4 lua5.4; then
  make_rock 5.4 "$work/tree"
  try 5.4 lua5.4 "$work/tree"
  module="$work/tree/lib/lua/5.4/shmutex.so"
  if readelf -d "$module" | grep 'NEEDED.*libshmutex'; then exit 1; fi # built in
  readelf -d "$module" | grep -q 'NODELETE'
  if readelf -W --dyn-syms "$module" | grep ' shmutex_open'; then exit 1; fi # and nobody else's business
fi

# Against a library that is installed where the loader does not look.
cmake --install "$2" --prefix "$work/installed" >/dev/null
export CMAKE_PREFIX_PATH="$work/installed"
for version in 5.1 5.3 5.4; do
  is_there "/usr/include/lua$version" "lua$version" || continue
  make_rock "$version" "$work/tree-$version"
  readelf -d "$work/tree-$version/lib/lua/$version/shmutex.so" | grep -q 'NEEDED.*libshmutex.so.1'
  try "$version" "lua$version" "$work/tree-$version"
done
if is_there /usr/include/luajit-2.1 luajit; then
  make_rock 5.1 "$work/tree-luajit" LUA_INCDIR=/usr/include/luajit-2.1
  try 5.1 luajit "$work/tree-luajit"
fi
