-- Closing, collecting, and what is left afterwards.
local support = require "support"
local unit, process, shmutex = support.unit, support.process, support.shmutex
local open, assert_fails = support.open, support.assert_fails
local interpreter = require "interpreter"

local cases = {}

local function mappings()
  local count = 0
  for _ in io.lines "/proc/self/maps" do count = count + 1 end
  return count
end

-- Runs Lua code in a process of its own. Returns what it wrote.
local function output_of(code, options)
  local file = assert(io.open(support.path "script.lua", "w"))
  file:write(code)
  file:close()
  local pipe = io.popen(("%s %s %s 2>&1"):format(support.interpreter, options or "", support.path "script.lua"))
  local text = pipe:read "*a"
  pipe:close()
  return text
end

function cases.test_close()
  local m = open()
  unit.assertIs(m:close(), true)
  unit.assertIs(m:close(), true)
  unit.assertEquals(m:path(), support.path())
  for _, method in ipairs { "lock", "trylock", "unlock", "guard", "owned", "owner", "token", "info", "consistent",
                            "poison" } do
    unit.assertErrorMsgContains("closed mutex", m[method], m)
  end
  unit.assertErrorMsgContains("closed mutex", m.with, m, print)
end

function cases.test_close_while_held()
  support.each_kind(function(options, kind)
    for handles = 1, 2 do
      local m = open(options, kind)
      local other = handles == 2 and open(options, kind)
      m:lock()
      unit.assertEquals(assert_fails("EBUSY", m:close()), m:path() .. " is held by the calling thread; unlock it first")
      unit.assertIs(m:unlock(), true)
      unit.assertIs(m:close(), true)
      if other then other:close() end
    end
  end)
end

-- Which has a handle of its own.
function cases.test_close_while_another_thread_holds()
  local m = open()
  local thread = process.thread([[
    local m = require "shmutex".open(...)
    assert(m:lock())
    while not io.open(... .. " go on") do end
    return m:unlock() and "done"
  ]], m:path())
  support.wait_until(function() return m:info().state == "held" end)
  unit.assertIs(m:close(), true)
  assert(io.open(support.path "lock go on", "w")):close()
  unit.assertEquals({ thread:join() }, { "done" })
end

function cases.test_close_while_another_state_waits()
  local m = open()
  local holder = support.fork_holder(m)
  local thread = process.thread([[
    local m = require "shmutex".open(...)
    return tostring(select(3, m:lock()))
  ]], m:path())
  support.wait_until(function() return m:info().waiters end)
  unit.assertIs(m:close(), true) -- the thread has a handle of its own
  support.kill(holder)
  unit.assertEquals(thread:join(), tostring(shmutex.errno.EOWNERDEAD))
end

function cases.test_a_collected_mutex_is_closed()
  local before = mappings()
  for _ = 1, 100 do assert(open()) end
  collectgarbage()
  collectgarbage()
  unit.assertTrue(mappings() <= before + 2)
end

function cases.test_collected_while_held()
  local path = support.path()
  assert(open():lock())
  collectgarbage()
  collectgarbage()
  unit.assertEquals(shmutex.inspect(path).state, "held")
  local again = open()
  unit.assertIs(again:owned(), true)
  unit.assertIs(again:unlock(), true)
end

if support.has_close then
  function cases.test_collected_while_held_warns()
    local code = ([[
      warn "@on"
      assert(require "shmutex".open(%q):lock())
      collectgarbage()
      collectgarbage()
    ]]):format(support.path())
    local text = output_of(code)
    unit.assertStrContains(text, "Lua warning: shmutex: " .. support.path())
    unit.assertStrContains(text, "was closed or collected while it is held")
  end

  function cases.test_closed_by_its_block_while_held_warns()
    local text = output_of(([[
      warn "@on"
      do local m <close> = require "shmutex".open(%q) assert(m:lock()) end
      print "went on"
    ]]):format(support.path()))
    unit.assertStrContains(text, "was closed or collected while it is held")
    unit.assertStrContains(text, "went on")
  end

  -- Another mutex for the file can still release it, so there is nothing to warn of.
  function cases.test_collected_while_another_handle_is_open()
    local text = output_of(([[
      warn "@on"
      local shmutex = require "shmutex"
      local other = shmutex.open(%q)
      assert(shmutex.open(%q):lock())
      collectgarbage()
      collectgarbage()
      print(other:owned(), other:unlock(), other:info().state)
    ]]):format(support.path(), support.path()))
    unit.assertEquals(text, "true\ttrue\tfree\n")
  end

  function cases.test_exit_while_held()
    local code = "m = require 'shmutex'.open(%q, { recover = function() end }) assert(m:lock())"
    code = code:format(support.path())
    unit.assertStrContains(output_of(code, "-W"), "was closed or collected while it is held")
    unit.assertEquals(output_of(code), "")
  end

  function cases.test_collected_while_free_does_not_warn()
    local code = ("m = require 'shmutex'.open(%q) m:lock() m:unlock()"):format(support.path())
    unit.assertEquals(output_of(code, "-W"), "")
  end
end

function cases.test_a_cycle_through_recover_is_collected()
  local watched = setmetatable({}, { __mode = "v" })
  do
    local m
    m = open { recover = function() return m end }
    watched[1] = m
    m = nil
  end
  collectgarbage()
  collectgarbage()
  unit.assertNil(watched[1])
end

function cases.test_recover_function_lives_as_long_as_its_mutex()
  local called = 0
  local m = open { recover = function() called = called + 1 end }
  collectgarbage()
  collectgarbage()
  support.die_inside(m)
  unit.assertIs(m:lock(), true)
  unit.assertEquals(called, 1)
end

function cases.test_use_after_collection()
  local kept
  local m = open()
  local collect = getmetatable(m).__gc
  collect(m)
  collect(m)
  kept = m
  unit.assertErrorMsgContains("closed mutex", kept.lock, kept)
  unit.assertStrContains(tostring(kept), "closed")
end

-- Each does something many times, and nothing is left over: descriptors, mappings, Lua's memory and C's.
local many = 100000

local function repeated(count, work)
  local function round(times)
    for _ = 1, times do work() end
    collectgarbage()
    collectgarbage()
  end
  round(math.max(count / 10, 1000))
  local descriptors, mapped = process.descriptors(), mappings()
  local memory, resident = collectgarbage "count", process.resident()
  round(count)
  unit.assertEquals(process.descriptors(), descriptors)
  unit.assertTrue(mappings() <= mapped + 3)
  local grown = collectgarbage "count" - memory
  unit.assertTrue(grown < 64, ("%.0f KB of Lua's more"):format(grown))
  -- Of C's memory, too: a block each would show, beside what the collector keeps for itself for a while.
  local more = process.resident() - resident
  unit.assertTrue(more < count * 32 + 4000000, ("%.0f bytes more"):format(more))
end

local function nothing() end

function cases.test_open_and_close()
  local keep = open() -- opening is quicker where the lock is open already
  local options = { recover = nothing }
  local path = support.path()
  repeated(many, function() assert(shmutex.open(path, options):close()) end)
  unit.assertIs(keep:owned(), false)
end

function cases.test_open_and_collect()
  local options = { recover = nothing }
  local path = support.path "first and last"
  repeated(many, function() assert(shmutex.open(path, options)) end)
end

function cases.test_open_of_a_new_lock_and_unlink()
  local path = support.path()
  repeated(many / 50, function()
    local m = assert(shmutex.open(path, { exist = false }))
    assert(m:lock() and m:unlock() and shmutex.unlink(path) and m:close())
  end)
end

function cases.test_acquire_and_release_many_times()
  local m = open { recursive = true }
  repeated(many, function()
    assert(m:lock())
    assert(m:lock(1))
    assert(m:trylock())
    m:with(nothing, 1, 2)
    assert(m:unlock() and m:unlock() and m:unlock())
  end)
  if support.has_close then
    repeated(many, load([[
      local m = ...
      return function() local _ <close> = m:guard(1) end
    ]])(m))
  end
  repeated(many / 10, coroutine.wrap(function()
    while true do
      m:with(nothing)
      coroutine.yield()
    end
  end))
  repeated(many / 50, function() coroutine.wrap(function() m:with(nothing) end)() end)
end

function cases.test_looking()
  local m = open()
  local path = support.path()
  repeated(many / 10, function()
    assert(m:info() and m:token() and m:path() and tostring(m) and shmutex.inspect(path))
    assert(not m:owned() and not m:owner())
  end)
end

function cases.test_failing()
  local m = open()
  local path = support.path()
  support.fork_holder(m)
  os.execute("echo text > " .. support.path "text")
  repeated(many / 20, function()
    assert(not m:trylock() and not m:lock(0) and not m:unlock() and not m:consistent())
    assert(not shmutex.open(path, { fair = true }) and not shmutex.open(path, { exist = false }))
    assert(not shmutex.open(path .. "x", { exist = true, recover = nothing }) and not shmutex.open(path .. "/text"))
    assert(not shmutex.open(support.path "text") and not shmutex.inspect(path .. "x") and not shmutex.unlink(path))
    assert(not pcall(m.guard, m, 0) and not pcall(m.lock, m, -1) and not pcall(shmutex.open, path, { colour = 1 }))
  end)
end

function cases.test_death()
  local m = open { recover = nothing }
  repeated(300, function()
    support.wait(support.fork(function() m:lock() end))
    assert(m:lock() and m:unlock())
  end)
end

function cases.test_states_one_after_another()
  for _ = 1, 20 do
    local thread = process.thread([[ return require "shmutex"._VERSION ]])
    unit.assertEquals({ thread:join() }, { "1.0.0" })
  end
end

function cases.test_states_at_the_same_time()
  local function exists(path)
    local file = io.open(path)
    return file and file:close()
  end
  local threads = {}
  for i = 1, 8 do
    threads[i] = process.thread([[
      local path, name = (...):match "^(.*) (.*)$"
      local m = assert(require "shmutex".open(path))
      local held = m:trylock()
      io.open(path .. name, "w"):close()
      repeat require "process".sleep(0.001) until io.open(path .. " go on") -- all have tried
      if held then assert(m:unlock()) end
      return tostring(held)
    ]], support.path() .. " " .. i)
  end
  support.wait_until(function()
    for i = 1, 8 do
      if not exists(support.path("lock" .. i)) then return false end
    end
    return true
  end)
  assert(io.open(support.path "lock go on", "w")):close()
  local count = 0
  for _, thread in ipairs(threads) do
    local held = assert(thread:join())
    if held == "true" then count = count + 1 else unit.assertEquals(held, "nil") end
  end
  unit.assertEquals(count, 1)
end

-- Memory runs out at each request in turn: whatever fails, nothing is held afterwards, and what was asked for may be
-- asked for again.
function cases.test_memory_errors()
  local code = [[
    local path, other = ...
    if jit then jit.off() end -- its compiler is not what is tested; it crashes when memory runs out
    local shmutex, process = require "shmutex", require "process"
    local many = {}
    for i = 1, 50 do many[i] = i end
    local unpack = table.unpack or unpack
    local m = assert(shmutex.open(path))
    local function repair() local t = {} for i = 1, 3 do t[i] = {} end end
    local repairing = assert(shmutex.open(other, { recover = repair }))
    local function die() process.wait(process.fork(function() repairing:lock() end)) end
    local actions = {
      lock = function() assert(m:lock()) assert(m:unlock()) end,
      with = function() m:with(function(...) local t = { {} } return ... end, unpack(many)) end,
      fail = function() assert(m:lock() and not m:lock() and not m:trylock()) assert(m:unlock() and not m:unlock()) end,
      close = function() assert(m:lock() and not m:close()) assert(m:unlock()) end,
      look = function() m:info() m:owner() m:token() tostring(m) shmutex.inspect(path) shmutex.inspect "" end,
      open = function()
        assert(shmutex.open(path, { recover = print, mode = "600" })):close()
        shmutex.open(path .. "/x")
      end,
      recover = function() assert(repairing:lock()) assert(repairing:unlock()) end,
      coroutine = function()
        local ran, problem = coroutine.resume(coroutine.create(function() m:with(function() local t = { {} } end) end))
        if not ran then error(problem, 0) end
      end,
    }
    if _VERSION >= "Lua 5.4" then
      actions.guard = load("local m = ... return function() local _ <close> = m:guard() local t = { {} } end")(m)
      actions.guard_in_coroutine = function()
        local worker = coroutine.create(actions.guard)
        local ran, problem = coroutine.resume(worker)
        coroutine.close(worker)
        if not ran then error(problem, 0) end
      end
    end
    local failures = 0
    for name, action in pairs(actions) do
      local n = 0
      while true do
        if name == "recover" then die() end
        collectgarbage()
        fail_at(n)
        local passed, problem = pcall(action)
        local failed = enough()
        -- What lock() said between two of the action's own requests for memory is the action's to know.
        local own = name == "lock" or name == "fail" or name == "close" or name == "recover"
        for _, each in ipairs { m, repairing } do
          if each:owned() then
            if not own then error(name .. " is held after failure " .. n .. ": " .. tostring(problem)) end
            assert(each:unlock())
          end
        end
        if not failed then
          assert(passed, name .. ": " .. tostring(problem))
          break
        end
        failures = failures + 1
        n = n + 1
      end
    end
    for name in pairs(actions) do actions[name]() end -- nothing is broken
    -- lock() itself: either it says that it has the lock, or it has not.
    for n = 0, 30 do
      die()
      collectgarbage()
      fail_at(n)
      local passed, held = pcall(repairing.lock, repairing)
      enough()
      assert(repairing:owned() == (passed and held == true), "lock() does not tell")
      if repairing:owned() then assert(repairing:unlock()) end
    end
    assert(m:close() and repairing:close())
    return tostring(failures)
  ]]
  local failures = tonumber(interpreter.starve(code, support.path(), support.path "other"))
  unit.assertTrue(failures > 20, failures)
end

support.run(cases)
