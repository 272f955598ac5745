-- LuaJIT without a module: its ffi on the C header and the C library. Nothing is written down twice; what the compiler
-- for C reads is what the ffi reads.
--
--   luajit ffi.lua
--   SHMUTEX_HEADER, SHMUTEX_LIBRARY: where they are, if not where the system looks
local ffi = require "ffi"

local function read_header(path)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  text = text:gsub("/%*.-%*/", "") -- comments
  return (("\n" .. text):gsub("\n%s*#[^\n]*", "")) -- the preprocessor's lines; no declaration depends on them
end

ffi.cdef(read_header(os.getenv "SHMUTEX_HEADER" or "/usr/include/shmutex/shmutex.h"))
local C = ffi.load(os.getenv "SHMUTEX_LIBRARY" or "libshmutex.so.1")

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
