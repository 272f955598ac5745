-- worker.lua LEDGER LOCK count N: increments the ledger N times; LOCK "-": without a lock. See ledger.h.
local shmutex = require "shmutex"

local path, lock, command, count = ...
assert(command == "count")
local ledger = assert(io.open(path, "r+b"))
ledger:setvbuf("no")

local function read()
  ledger:seek("set", 0)
  local first, second = ledger:read(42):match("(%d+) (%d+)")
  return tonumber(first), tonumber(second)
end

local function write_first(value)
  ledger:seek("set", 0)
  ledger:write(("%020d "):format(value))
end

local function write_second(value)
  ledger:seek("set", 21)
  ledger:write(("%020d\n"):format(value))
end

local function increment()
  local first, second = read()
  write_first(first + 1)
  write_second(second + 1)
end

local function repair()
  local first, second = read()
  local found = "nothing was half done"
  if first ~= second then
    write_first(second)
    found = "found a half-done update and rolled it back"
  end
  print("   a Lua worker: the last owner died inside; " .. found)
  io.stdout:flush()
end

local mutex = lock ~= "-" and assert(shmutex.open(lock, { recover = repair }))
for _ = 1, tonumber(count) do
  if mutex then assert(mutex:lock()) end
  increment()
  if mutex then assert(mutex:unlock()) end
end
