#!/bin/sh
# `cmake --install` puts the modules on each interpreter's package.cpath, and they load from there.
#   install_prefix.sh SOURCE BUILD
set -eu
source=$1
build=$2
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

interpreters_of() { # interpreters_of LUA-VERSION
  for lua in "lua$1" $([ "$1" != 5.1 ] || echo luajit); do
    command -v "$lua" || true
  done
}

# The two prefixes in which Debian's interpreters look by themselves.
for prefix in /usr /usr/local; do
  cmake -S "$source" -B "$work$prefix" -DCMAKE_INSTALL_PREFIX=$prefix -DSHMUTEX_BUILD_LUA=ON \
    >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
  destinations=$(sed -n 's|.*file(INSTALL DESTINATION "${CMAKE_INSTALL_PREFIX}/\(.*lua/5\.[0-9]\)".*|\1|p' \
    "$work$prefix/bindings/lua/cmake_install.cmake" | sort -u)
  [ -n "$destinations" ]
  for destination in $destinations; do
    for lua in $(interpreters_of "$(basename "$destination")"); do
      echo "$lua: $prefix/$destination"
      env -u LUA_INIT -u LUA_CPATH -u LUA_INIT_5_2 -u LUA_CPATH_5_2 -u LUA_INIT_5_3 -u LUA_CPATH_5_3 -u LUA_INIT_5_4 \
        -u LUA_CPATH_5_4 "$lua" -e "assert((';' .. package.cpath .. ';'):find(';$prefix/$destination/?.so;', 1, true), package.cpath)"
    done
  done
done

prefix=$work/prefix
cmake --install "$build" --prefix "$prefix" >"$work/log"
for module in "$prefix"/lib*/lua/5.*/shmutex.so "$prefix"/lib*/*/lua/5.*/shmutex.so; do
  [ -e "$module" ] || continue
  directory=$(dirname "$module")
  # Installed for a prefix other than /usr, the module finds the library by itself.
  libraries=$(dirname "$(dirname "$directory")")
  readelf -d "$module" | grep -q RUNPATH && libraries=
  for lua in $(interpreters_of "$(basename "$directory")"); do
    env -u LUA_INIT LUA_PATH= LUA_CPATH="$directory/?.so" LD_LIBRARY_PATH="$libraries" "$lua" -e '
      local shmutex = require "shmutex"
      local path = os.tmpname() os.remove(path)
      path = path:gsub("^/tmp", "/dev/shm")
      local m = assert(shmutex.open(path))
      assert(m:with(function() return m:owned() end))
      assert(shmutex.unlink(path))
      print(_VERSION, shmutex._VERSION, package.cpath)'
    found=yes
  done
done
[ "${found:-}" = yes ]
