-- A lock belongs to the thread of the operating system, and all coroutines of a Lua state run in one thread: for the
-- lock, they are the same owner. It keeps other processes out. It cannot keep coroutines apart; it says so, instead of
-- waiting without end.
--
--   lua coroutines.lua
local shmutex = require "shmutex"

local path = "/dev/shm/shmutex-coroutines-" .. tostring({}):match "0x(%x+)"
local m = assert(shmutex.open(path))

-- Holding across a yield works, between processes …
local writer = coroutine.wrap(function()
  assert(m:lock())
  print "writer: inside"
  coroutine.yield()
  print "writer: leaving"
  assert(m:unlock())
end)
writer()
assert(m:owned()) -- says the main coroutine: it is the same thread

-- … and another coroutine that wants the same lock meanwhile is told, at once, that waiting could never end.
local reader = coroutine.wrap(function() return m:lock() end)
local held, message, code = reader()
assert(not held and code == shmutex.errno.EDEADLK)
print("reader: " .. message)

writer()

-- So between coroutines, agree before locking. Here: one at a time, in order of arrival.
local queue = {}
local function exclusively(f)
  local self = coroutine.running()
  table.insert(queue, self)
  while queue[1] ~= self do coroutine.yield() end
  assert(m:lock())
  local passed, problem = pcall(f)
  assert(m:unlock())
  table.remove(queue, 1)
  assert(passed, problem)
end

local order = {}
local workers = {}
for i = 1, 3 do
  workers[i] = coroutine.create(function()
    exclusively(function() table.insert(order, i) end)
  end)
end
for _ = 1, 3 do
  for _, worker in ipairs(workers) do
    if coroutine.status(worker) ~= "dead" then assert(coroutine.resume(worker)) end
  end
end
assert(table.concat(order, " ") == "1 2 3")
print("workers went in one after the other: " .. table.concat(order, ", "))
assert(shmutex.unlink(path))
