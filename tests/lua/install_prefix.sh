#!/bin/sh
# `cmake --install` puts the modules on each interpreter's package.cpath: lib/lua/5.X, seen from the prefix.
#   install_prefix.sh SOURCE BUILD
set -eu
prefix=$(mktemp -d)
trap 'rm -r "$prefix"' EXIT
cmake --install "$2" --prefix "$prefix" >"$prefix/log"
for module in "$prefix"/lib*/lua/5.*/shmutex.so "$prefix"/lib*/*/lua/5.*/shmutex.so; do
  [ -e "$module" ] || continue
  directory=$(dirname "$module")
  version=$(basename "$directory")
  libraries=$(dirname "$(dirname "$directory")")
  # Installed for a prefix other than /usr, the module finds the library by itself.
  readelf -d "$module" | grep -q RUNPATH && libraries=
  for lua in "lua$version" $([ "$version" != 5.1 ] || echo luajit); do
    command -v "$lua" >/dev/null || continue
    # Debian's interpreters look in /usr/local/lib and in the multiarch directory below /usr.
    "$lua" -e 'assert(package.cpath:find("/usr/local/lib/lua/'"$version"'/?.so", 1, true))'
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
