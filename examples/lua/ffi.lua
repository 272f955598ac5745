-- LuaJIT without a module: its ffi on the C headers and the C library. Nothing is written down twice; what the compiler
-- for C reads is what the ffi reads.
--
--   luajit ffi.lua
--   SHMUTEX_LIBRARY: where the library is, if not where the loader looks (ldconfig, LD_LIBRARY_PATH)
--   SHMUTEX_HEADER: where the header is, if not in a folder `include` beside the library's or above it
local ffi = require "ffi"

-- The header that was installed with the library, which is loaded already: from /opt/x/lib/libshmutex.so.1 it leads
-- to /opt/x/include.
local function find_header()
  local named = os.getenv "SHMUTEX_HEADER"
  if named then return named end
  local folders = {}
  for line in io.lines "/proc/self/maps" do
    local folder = line:match "(/.*)/[^/]*shmutex[^/]*%.so[^/]*$"
    while folder do
      folders[#folders + 1] = folder
      folder = folder:match "^(.*)/[^/]*$"
    end
  end
  folders[#folders + 1] = "/usr/local"
  folders[#folders + 1] = "/usr"
  for _, folder in ipairs(folders) do
    local header = folder .. "/include/shmutex/shmutex.h"
    local file = io.open(header)
    if file then
      file:close()
      return header
    end
  end
  error("no include/shmutex/shmutex.h in " .. table.concat(folders, ", ") .. ": set SHMUTEX_HEADER")
end

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  return text
end

-- shmutex.h includes its parts, in order.
local function declare(header)
  local include = header:match "^(.*)shmutex/"
  for part in read(header):gmatch "\n#include <([^>]*)>" do
    local text = read(include .. part):gsub("/%*.-%*/", "") -- comments
    ffi.cdef((("\n" .. text):gsub("\n%s*#[^\n]*", ""))) -- the preprocessor's lines; no declaration depends on them
  end
end

local C = ffi.load(os.getenv "SHMUTEX_LIBRARY" or "libshmutex.so.1")
declare(find_header())

local EBUSY, EDEADLK, EOWNERDEAD = 16, 35, 130

local function check(code)
  if code ~= 0 then error(ffi.string(C.shmutex_error_detail()), 2) end
end

local path = "/dev/shm/shmutex-ffi-" .. tostring({}):match "0x(%x+)"
local out = ffi.new "shmutex_t *[1]"
check(C.shmutex_open(out, path, 0, 0))
local m = out[0]

check(C.shmutex_lock(m))
assert(C.shmutex_is_owned(m) == 1)
assert(C.shmutex_trylock(m) == EBUSY)
assert(C.shmutex_timedlock(m, 1000000) == EDEADLK)
check(C.shmutex_unlock(m))

-- Tokens are 64-bit integers here.
local before = C.shmutex_token(m)
local rounds = 1000000
for _ = 1, rounds do -- compiled: about the speed of C
  check(C.shmutex_lock(m))
  check(C.shmutex_unlock(m))
end
assert(C.shmutex_token(m) - before == rounds)

local info = ffi.new("shmutex_info_t", { size = ffi.sizeof "shmutex_info_t" })
check(C.shmutex_info(m, info))
assert(info.state == C.SHMUTEX_STATE_FREE)

-- A process dies inside; another one that goes through the ffi is told, and repairs.
local script = ([[
local ffi = require "ffi"
ffi.cdef "int shmutex_open(void **, const char *, unsigned, unsigned); int shmutex_lock(void *);"
local C, out = ffi.load %q, ffi.new "void *[1]"
assert(C.shmutex_open(out, %q, 0, 0) == 0 and C.shmutex_lock(out[0]) == 0)
os.exit(0)
]]):format(os.getenv "SHMUTEX_LIBRARY" or "libshmutex.so.1", path):gsub("\n", " ")
os.execute(("%s -e '%s'"):format(arg[-1], script))
assert(C.shmutex_lock(m) == EOWNERDEAD)
check(C.shmutex_consistent(m))
check(C.shmutex_unlock(m))
print(("%s: %d recoveries"):format(path, tonumber(info.recoveries) + 1))

check(C.shmutex_close(m))
check(C.shmutex_unlink(path, 0))
