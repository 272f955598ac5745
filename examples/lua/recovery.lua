-- A process is killed inside. The next owner is told, repairs what was left half done, and goes on.
--
--   lua recovery.lua
local shmutex = require "shmutex"

local path = arg[1] or "/dev/shm/shmutex-recovery-" .. tostring({}):match "0x(%x+)"
local log_path = path .. ".log"

local function append(text)
  local file = assert(io.open(log_path, "a"))
  file:write(text)
  file:close()
end

if arg[1] then -- the victim
  local m = assert(shmutex.open(path))
  assert(m:lock())
  append "begin "
  os.execute "kill -9 $PPID" -- dies here, the entry half written and the lock held
end

os.execute(("%s %s %s"):format(arg[-1], arg[0], path))

-- Who has no idea how to repair is not let in …
local careless = assert(shmutex.open(path))
local held, message, code = careless:lock()
assert(not held and code == shmutex.errno.EOWNERDEAD)
print("without recovery: " .. message)

-- … and the lock stays marked until an owner has.
local m = assert(shmutex.open(path, {
  recover = function(mutex)
    print("repairing what process " .. (mutex:info().last_dead_tid or "?") .. " left")
    local file = assert(io.open(log_path, "w"))
    file:close()
    -- Any result but false declares the data repaired; false gives it up, for everybody.
  end,
}))
assert(m:lock())
append "begin end\n"
assert(m:unlock())
assert(careless:lock() and careless:unlock())

for line in io.lines(log_path) do assert(line == "begin end") end
print("recoveries so far: " .. m:info().recoveries)
assert(shmutex.unlink(path))
os.remove(log_path)
