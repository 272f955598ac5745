-- Uncontended lock and unlock on this Lua, interleaved: each round times every way once, in an order that changes, and
-- the ratio of a way is the median of its ratios to the other in the same round.
--
--   lua bench.lua [--output FILE] [rounds]
--
-- LUA_CPATH must lead to shmutex.so and handwritten.so. --output adds a row to the table in FILE (Markdown), which is
-- begun if there is none. The exit status is 1 if a target was missed.
local shmutex = require "shmutex"
local handwritten = require "handwritten"

local output
if arg[1] == "--output" then
  output = assert(arg[2], "--output needs a file")
  table.remove(arg, 1)
  table.remove(arg, 1)
end
local rounds = tonumber(arg[1] or 60)
local cycles = 100000
local directory = "/dev/shm/shmutex-bench-" .. tostring({}):match "0x(%x+)"
assert(os.execute("mkdir " .. directory))

local ours = assert(shmutex.open(directory .. "/ours"))
local theirs = assert(handwritten.open(directory .. "/theirs"))
local function nothing() end

local ways = {
  { name = "lock + unlock", run = function()
    local m = ours
    for _ = 1, cycles do m:lock() m:unlock() end
  end },
  { name = "hand-written C module: lock + unlock", run = function()
    local m = theirs
    for _ = 1, cycles do m:lock() m:unlock() end
  end },
  { name = "the same without checking its argument", run = function()
    local m = theirs
    for _ = 1, cycles do m:unchecked_lock() m:unchecked_unlock() end
  end },
  { name = "with(function)", run = function()
    local m = ours
    for _ = 1, cycles do m:with(nothing) end
  end },
  -- Without a lock: what calling a function that does nothing costs, wherever it is called from.
  { name = "(two calls of a function that does nothing)", run = function()
    local f = nothing
    for _ = 1, cycles do f() f() end
  end },
}
if _VERSION >= "Lua 5.4" then
  table.insert(ways, { name = "local _ <close> = guard()", run = load([[
    local m, cycles = ...
    return function()
      for _ = 1, cycles do local _ <close> = m:guard() end
    end
  ]])(ours, cycles) })
end

for _, way in ipairs(ways) do
  way.times = {}
  way.run()
end
for round = 1, rounds do
  for i = 1, #ways do
    local way = ways[(i + round) % #ways + 1]
    local start = os.clock()
    way.run()
    way.times[round] = os.clock() - start
  end
end

local function median(values)
  local sorted = {}
  for i, value in ipairs(values) do sorted[i] = value end
  table.sort(sorted)
  return sorted[math.ceil(#sorted / 2)]
end

local function find(name)
  for _, way in ipairs(ways) do
    if way.name == name then return way end
  end
end

local function ratio(name, to)
  local ratios = {}
  for round = 1, rounds do ratios[round] = find(name).times[round] / find(to).times[round] end
  return median(ratios)
end

local function time(name) return median(find(name).times) / cycles * 1e9 end

local version = jit and jit.version or _VERSION
print(("%s, %d rounds of %d"):format(version, rounds, cycles))
for _, way in ipairs(ways) do print(("  %7.1f ns  %s"):format(time(way.name), way.name)) end

local missed = false

local function target(name, to, limit)
  local found = ratio(name, to)
  local reached = not limit or found <= limit
  missed = missed or not reached
  local verdict = limit and ("target %.2f  %s"):format(limit, reached and "reached" or "MISSED") or "(no target)"
  print(("  %-25s / %-38s %.2f  %s"):format(name, to, found, verdict))
  return ("%.2f%s"):format(found, reached and "" or " MISSED")
end

local ours_name, theirs_name = "lock + unlock", "hand-written C module: lock + unlock"
target(ours_name, "the same without checking its argument")
local to_handwritten = target(ours_name, theirs_name, 1.1)
local guard = "local _ <close> = guard()"
local block = find(guard) and guard or "with(function)"
local to_lock = target(block, ours_name, 1.4)

if output then
  local file = assert(io.open(output, "a"))
  if file:seek "end" == 0 then
    file:write("| | `lock`+`unlock` | hand-written C module | ratio (target 1.10) | block | " ..
               "to `lock`+`unlock` (target 1.40) |\n")
    file:write "| --- | --: | --: | --: | --: | --: |\n"
  end
  file:write(("| %s | %.1f ns | %.1f ns | %s | %.1f ns (`%s`) | %s |\n"):format(version, time(ours_name),
    time(theirs_name), to_handwritten, time(block), find(guard) and "guard" or "with", to_lock))
  file:close()
end

os.execute("rm -r " .. directory)
os.exit(missed and 1 or 0)
