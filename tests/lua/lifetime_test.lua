-- Closing, collecting, and what is left afterwards.
local support = require "support"
local unit, process, shmutex = support.unit, support.process, support.shmutex
local open, assert_fails = support.open, support.assert_fails

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
  for _, method in ipairs { "lock", "trylock", "unlock", "guard", "owned", "owner", "token", "info", "consistent", "poison" } do
    unit.assertErrorMsgContains("closed mutex", m[method], m)
  end
  unit.assertErrorMsgContains("closed mutex", m.with, m, print)
end

function cases.test_close_while_held()
  local m = open()
  m:lock()
  assert_fails("EBUSY", m:close())
  unit.assertIs(m:unlock(), true)
  unit.assertIs(m:close(), true)
end

function cases.test_close_while_another_thread_waits()
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
    unit.assertStrContains(text, "collected while it is held")
  end

  function cases.test_script_that_ends_while_holding_warns()
    local code = ("m = require 'shmutex'.open(%q, { recover = function() end }) assert(m:lock())"):format(support.path())
    unit.assertStrContains(output_of(code, "-W"), "collected while it is held")
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

function cases.test_no_leaks()
  local m = open()
  local function work(times)
    for _ = 1, times do
      local other = assert(shmutex.open(support.path "other"))
      assert(other:lock())
      assert(other:unlock())
      assert(other:close())
    end
    for _ = 1, times * 20 do
      assert(m:lock())
      assert(m:unlock())
      m:with(type, m)
    end
    for _ = 1, times do
      assert(shmutex.open(support.path "text") == nil)
      assert(not m:consistent())
    end
    collectgarbage()
    collectgarbage()
    return collectgarbage "count"
  end
  os.execute("echo text > " .. support.path "text")
  work(100)
  local memory = work(100)
  local open_files, mapped = process.descriptors(), mappings()
  local afterwards = work(5000)
  unit.assertEquals(process.descriptors(), open_files)
  unit.assertTrue(mappings() <= mapped + 2)
  unit.assertTrue(afterwards - memory < 64, ("%d KB more"):format(afterwards - memory))
end

function cases.test_states_one_after_another()
  for _ = 1, 20 do
    local thread = process.thread([[ return require "shmutex"._VERSION ]])
    unit.assertEquals({ thread:join() }, { "1.0.0" })
  end
end

function cases.test_states_at_the_same_time()
  local threads = {}
  for i = 1, 8 do threads[i] = process.thread([[ return tostring(require "shmutex".open(...):trylock() ~= 0) ]], support.path()) end
  for _, thread in ipairs(threads) do unit.assertEquals({ thread:join() }, { "true" }) end
end

support.run(cases)
