-- SIGINT ends a wait as it ends a sleep; other signals do not.
local support = require "support"
local unit, process, shmutex = support.unit, support.process, support.shmutex
local open, assert_fails = support.open, support.assert_fails

local cases = {}

-- Starts a script in an interpreter of its own, which brings its own handler of SIGINT.
local function start(body)
  local file = assert(io.open(support.path "script.lua", "w"))
  file:write(body)
  file:close()
  return support.spawn("/bin/sh", "-c", ("exec %s %s >%s 2>&1"):format(support.interpreter,
    support.path "script.lua", support.path "output"))
end

local function output()
  local file = assert(io.open(support.path "output"))
  local text = file:read "*a"
  file:close()
  return text
end

-- Waits until the script sleeps in the lock, interrupts it, and asserts that this ended it.
local function assert_interrupted(m, pid)
  support.wait_until(function() return m:info().waiters end)
  support.wait_until_asleep(pid)
  process.kill(pid, support.SIGINT)
  local how, status = support.wait(pid)
  unit.assertEquals(how .. " " .. status, "exit 1", output())
  unit.assertStrContains(output(), "interrupted!")
end

local opening = "local shmutex = require 'shmutex' local m = assert(shmutex.open(%q, { fair = %s })) "

local files = 0

local function each_kind(body, assertion)
  for _, fair in ipairs { "false", "true" } do
    files = files + 1
    local m = open({ fair = fair == "true" }, "lock " .. files)
    local holder = support.fork_holder(m)
    local pid = start(opening:format(m:path(), fair) .. body)
    assertion(m, pid)
    unit.assertEquals({ m:owner() }, { holder, holder })
    support.kill(holder)
    assert_fails("EOWNERDEAD", m:lock()) -- the holder's death; nobody else was inside
  end
end

function cases.test_ctrl_c_ends_a_sleep_for_comparison()
  local pid = start "io.write 'ready' io.flush() require 'process'.sleep(1000) print 'went on'"
  support.wait_until(function()
    local file = io.open(support.path "output")
    local text = file and file:read "*a"
    if file then file:close() end
    return text == "ready"
  end)
  support.wait_until_asleep(pid)
  process.kill(pid, support.SIGINT)
  local how, status = support.wait(pid)
  unit.assertEquals(how .. " " .. status, "exit 1", output())
  unit.assertStrContains(output(), "interrupted!")
end

function cases.test_ctrl_c_ends_a_wait() each_kind("m:lock() print 'went on'", assert_interrupted) end
function cases.test_ctrl_c_ends_a_timed_wait() each_kind("m:lock(1000) print 'went on'", assert_interrupted) end
function cases.test_ctrl_c_ends_a_wait_in_with() each_kind("m:with(print, 'inside')", assert_interrupted) end

function cases.test_ctrl_c_ends_a_wait_in_a_coroutine()
  each_kind("coroutine.wrap(function() m:lock() end)() print 'went on'", assert_interrupted)
  if jit then return end -- its hooks are for all coroutines, so here the one who resumes has it to himself to go on or not
  each_kind("coroutine.resume(coroutine.create(function() m:lock() print 'went on' end)) while true do end", assert_interrupted)
end

if support.has_close then
  function cases.test_ctrl_c_ends_a_wait_in_guard() each_kind("local _ <close> = m:guard() print 'went on'", assert_interrupted) end
end

function cases.test_ctrl_c_can_be_caught()
  local m = open()
  local holder = support.fork_holder(m)
  local pid = start(opening:format(m:path(), "false") .. [[
    local passed, message = pcall(m.lock, m)
    assert(not passed and message:find "interrupted!" and not m:owned())
  ]])
  support.wait_until(function() return m:info().waiters end)
  support.wait_until_asleep(pid)
  process.kill(pid, support.SIGINT)
  support.assert_succeeds(pid)
  support.kill(holder)
end

function cases.test_ctrl_c_in_recovery()
  local m = open()
  support.die_inside(m)
  local pid = start(([[
    local m = assert(require 'shmutex'.open(%q, { recover = function() while true do require 'process'.sleep(1) end end }))
    m:lock()
  ]]):format(m:path()))
  support.wait_until(function() return m:owner() == pid end)
  process.kill(pid, support.SIGINT)
  local how, status = support.wait(pid)
  unit.assertEquals(how .. " " .. status, "exit 1")
  assert_fails("EOWNERDEAD", m:lock())
end

function cases.test_ctrl_c_at_random_moments()
  -- The lock comes free and is taken all the time, so that interruptions hit waits, acquisitions and holds alike. Whatever
  -- they hit, a block that was left does not hold.
  local m = open()
  local contender = support.fork(function()
    while true do
      assert(m:lock())
      process.sleep(0.00002)
      assert(m:unlock())
    end
  end)
  local body = opening:format(m:path(), "false") .. [[
    local function work() while true do m:with(function() end) end end
    local passed, message = pcall(work)
    assert(not passed and message:find "interrupted!", message)
    assert(not m:owned(), "still held")
  ]]
  for i = 1, 200 do
    local pid = start(body)
    local token = m:token()
    support.wait_until(function() return m:owner() == pid end)
    process.sleep((i % 7) * 0.0001)
    process.kill(pid, support.SIGINT)
    local how, status = support.wait(pid)
    unit.assertEquals(how .. " " .. status, "exit 0", output())
    unit.assertTrue(m:token() > token)
  end
  support.kill(contender)
end

function cases.test_other_handlers_do_not_end_a_wait()
  for _, fair in ipairs { false, true } do
    local m = open({ fair = fair }, "fair " .. tostring(fair))
    m:lock()
    local waiter = support.fork(function()
      process.handle(support.SIGUSR1)
      return m:lock() and m:unlock() and 0 or 1
    end)
    support.wait_until(function() return m:info().waiters end)
    for _ = 1, 20 do
      support.wait_until_asleep(waiter)
      process.kill(waiter, support.SIGUSR1)
    end
    m:unlock()
    support.assert_succeeds(waiter)
  end
end

function cases.test_other_handlers_run_and_the_deadline_stands()
  local m = open()
  support.fork_holder(m)
  local waiter = support.fork(function()
    process.handle(support.SIGUSR1)
    local start_time = process.now()
    local _, _, number = m:lock(0.3)
    return number == shmutex.errno.ETIMEDOUT and process.now() - start_time >= 0.3 and 0 or 1
  end)
  support.wait_until(function() return m:info().waiters end)
  local sender = support.fork(function()
    while true do
      process.kill(waiter, support.SIGUSR1)
      process.sleep(0.01)
    end
  end)
  support.assert_succeeds(waiter)
  support.kill(sender)
end

function cases.test_hook_that_closes_the_mutex()
  local m = open()
  local holder = support.fork_holder(m)
  local waiter = support.fork(function()
    process.handle(support.SIGUSR1)
    debug.sethook(function() debug.sethook() m:close() end, "c")
    -- The hook runs at the first call, which is lock() itself: before it has looked at its argument.
    local passed, message = pcall(m.lock, m)
    return not passed and message:find "closed" and 0 or 1
  end)
  support.assert_succeeds(waiter)
  support.kill(holder)
end

support.run(cases)
