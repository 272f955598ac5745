-- Not waiting without end: a limit, a single try, and finding out who is in the way.
--
--   lua timeout.lua
local shmutex = require "shmutex"

local path = arg[1] or "/dev/shm/shmutex-timeout-" .. tostring({}):match "0x(%x+)"
local m = assert(shmutex.open(path))

if arg[1] then -- the one in the way: holds the lock until its standard input ends
  assert(m:lock())
  io.read "*a"
  m:unlock()
  os.exit(0, true)
end

local other = io.popen(("%s %s %s"):format(arg[-1], arg[0], path), "w")
while m:info().state ~= "held" do os.execute "sleep 0.01" end

local held, message, code = m:trylock()
assert(not held and code == shmutex.errno.EBUSY)
print("trylock: " .. message)

held, message, code = m:lock(0.2) -- seconds
assert(not held and code == shmutex.errno.ETIMEDOUT)
print("lock(0.2): " .. message)

local pid, tid = m:owner()
print(("in the way: process %d, thread %d"):format(pid, tid))
print(tostring(m))

other:close() -- ends its input, so it unlocks
assert(m:lock(60))
print("got it: " .. tostring(m:owned()))
assert(m:unlock())
assert(shmutex.unlink(path))
