rockspec_format = "3.0"
package = "shmutex"
version = "1.0.0-1"

source = {
  url = "git+https://github.com/libshmutex/libshmutex.git",
  tag = "v1.0.0",
}

description = {
  summary = "A mutex for processes that may be killed at any instruction",
  detailed = [[
A lock in a file, shared by any number of processes of one Linux machine, in Lua, C, C++ and Python. If its owner dies, by
SIGKILL included, the kernel hands the lock on at once, and the next owner is told.]],
  homepage = "https://github.com/libshmutex/libshmutex",
  issues_url = "https://github.com/libshmutex/libshmutex/issues",
  license = "MIT",
  labels = { "mutex", "lock", "ipc", "linux" },
}

supported_platforms = { "linux" }

dependencies = { "lua >= 5.1, < 5.5" }

-- Links an installed libshmutex if there is one (CMAKE_PREFIX_PATH says where else to look), and else carries the library.
-- Not build.type "cmake": that would install all that the project installs.
build = {
  type = "command",
  build_command = ([[
    cmake -S . -B build.luarocks -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_C_COMPILER="$(CC)" -DSHMUTEX_BUILD_LUA=ON
      -DLUA_INCDIR="$(LUA_INCDIR)" -DLUA_INSTALL_CDIR="$(LIBDIR)" -DSHMUTEX_LUA_LIBRARY=auto &&
    cmake --build build.luarocks --target shmutex_lua_rock
  ]]):gsub("%s+", " "),
  install_command = "cmake --install build.luarocks --component lua",
}
