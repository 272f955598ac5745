-- Processes that add to the same counter lose nothing, because each reads and writes it under the lock.
--
--   lua counter.lua             starts four of itself, and checks the sum
local shmutex = require "shmutex"

local lock_path, counter_path, rounds = arg[1], arg[2], tonumber(arg[3])

local function read_counter(path)
  local file = assert(io.open(path))
  local value = tonumber(file:read "*l")
  file:close()
  return value
end

local function write_counter(path, value)
  local file = assert(io.open(path, "w"))
  file:write(value, "\n")
  file:close()
end

local function add_one() write_counter(counter_path, read_counter(counter_path) + 1) end

if rounds then -- one of the four
  local m = assert(shmutex.open(lock_path))
  for _ = 1, rounds do
    m:with(add_one) -- unlocks also when add_one() raises an error. Lua 5.4 could say, for any block:
                    --   do local _ <close> = m:guard() … end
  end
  os.exit(0, true)
end

local directory = "/dev/shm/shmutex-counter-" .. tostring({}):match "0x(%x+)"
assert(os.execute("mkdir " .. directory))
lock_path, counter_path = directory .. "/lock", directory .. "/counter"
write_counter(counter_path, 0)

local command = ("%s %s %s %s 250 &"):format(arg[-1], arg[0], lock_path, counter_path)
os.execute(command:rep(4) .. " wait")

local sum = read_counter(counter_path)
print("4 processes added 250 each: " .. sum)
assert(shmutex.unlink(lock_path))
os.execute("rm -r " .. directory)
assert(sum == 1000)
