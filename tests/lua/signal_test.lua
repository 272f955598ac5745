-- SIGINT ends a wait as it ends a sleep; other signals do not.
local support = require "support"
local unit, process, shmutex = support.unit, support.process, support.shmutex
local open, assert_fails = support.open, support.assert_fails
local start, output = support.start, support.output
local interpreter = require "interpreter"

local cases = {}

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

function cases.test_ctrl_c_that_nobody_catches() each_kind("m:lock() print 'went on'", assert_interrupted) end
function cases.test_ctrl_c_ends_a_timed_wait() each_kind("m:lock(1000) print 'went on'", assert_interrupted) end
function cases.test_ctrl_c_ends_a_wait_in_with() each_kind("m:with(print, 'inside')", assert_interrupted) end

function cases.test_ctrl_c_ends_a_wait_in_a_coroutine()
  each_kind("coroutine.wrap(function() m:lock() end)() print 'went on'", assert_interrupted)
  if jit then return end -- its hooks are for all coroutines, so the one that resumes decides whether to go on
  each_kind("coroutine.resume(coroutine.create(function() m:lock() print 'went on' end)) while true do end",
            assert_interrupted)
end

-- Lua 5.1 cannot say which coroutine is the main one, if none of ours has run there.
function cases.test_ctrl_c_where_everything_is_in_one_coroutine()
  for _, fair in ipairs { "false", "true" } do
    for _, wait in ipairs { "m:lock()", "m:lock(1000)", "m:with(print, 'inside')" } do
      files = files + 1
      local m = open({ fair = fair == "true" }, "lock " .. files)
      local holder = support.fork_holder(m)
      local code = "coroutine.wrap(function() %s %s print 'went on' end)()"
      assert_interrupted(m, start(code:format(opening:format(m:path(), fair), wait)))
      support.kill(holder)
    end
  end
end

-- The same, where something else handles SIGINT, or ignores it, and other handlers run.
function cases.test_other_handlers_where_everything_is_in_one_coroutine()
  local m = open()
  local holder = support.fork_holder(m)
  local pid = start(([[
    coroutine.wrap(function()
      local process = require "process"
      process.handle(%d)
      process.handle(%d)
      local m = assert(require "shmutex".open(%q))
      assert(m:lock())
      print "went on"
      m:unlock()
    end)()
  ]]):format(support.SIGINT, support.SIGUSR1, m:path()))
  support.wait_until(function() return m:info().waiters end)
  for _ = 1, 10 do
    support.wait_until_asleep(pid)
    process.kill(pid, support.SIGINT)
    process.kill(pid, support.SIGUSR1)
  end
  support.kill(holder)
  local how, status = support.wait(pid)
  unit.assertEquals(how .. " " .. status, "exit 1") -- lock() was told of the holder's death
  unit.assertStrContains(output(), "died inside")
end

if support.has_close then
  function cases.test_ctrl_c_ends_a_wait_in_guard()
    each_kind("local _ <close> = m:guard() print 'went on'", assert_interrupted)
  end
end

function cases.test_ctrl_c_ends_a_wait()
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
    local function recover() while true do require 'process'.sleep(1) end end
    local m = assert(require 'shmutex'.open(%q, { recover = recover }))
    m:lock()
  ]]):format(m:path()))
  support.wait_until(function() return m:owner() == pid end)
  process.kill(pid, support.SIGINT)
  local how, status = support.wait(pid)
  unit.assertEquals(how .. " " .. status, "exit 1")
  assert_fails("EOWNERDEAD", m:lock())
end

-- A child that does `work` again and again, until interrupted; `count` times. What interrupts is a hook, set by
-- a handler as the interpreter's own does. After each, the lock is not held; or, if `may_be_held`, is released.
local rounds = 1000

local function fork_worker(m, shared, work, may_be_held, count)
  interpreter.block(support.SIGINT, true)
  local worker = support.fork(function()
    if jit then jit.off() end -- compiled loops do not look at hooks
    local function work_on()
      interpreter.block(support.SIGINT, false)
      while true do work(m) end
    end
    interpreter.on_signal(support.SIGINT, function() error("interrupted!", 0) end)
    for round = 1, count do
      local passed, message = pcall(work_on)
      interpreter.block(support.SIGINT, true)
      assert(not passed and message:find "interrupted!", message)
      if m:owned() then
        assert(may_be_held, "still held")
        assert(m:unlock())
      end
      shared(1, round - shared(1))
    end
  end)
  interpreter.block(support.SIGINT, false)
  return worker
end

local function nothing() end

-- A block that was left does not hold. Between lock() and the next statement, and between guard() and the beginning of
-- its scope, the interpreter may be interrupted itself.
local works = {
  with = { function(m) m:with(nothing) end, false },
  lock = { function(m) m:lock() m:unlock() end, true },
  timed = { function(m) m:lock(50) m:unlock() end, true },
  coroutine = { function(m) coroutine.wrap(function() m:with(nothing) end)() end, false },
}
if support.has_close then
  works.guard = { load "local m = ... do local _ <close> = m:guard() end", true }
end

-- The lock comes free and is taken all the time, so that interruptions hit waits, acquisitions and holds alike.
local function interrupt_at_random(options)
  for name, work in pairs(works) do
    local m = open(options, name)
    local contender = support.fork(function()
      while true do
        assert(m:lock())
        process.sleep(math.random() * 0.0002)
        assert(m:unlock())
      end
    end)
    local shared = process.shared()
    local worker = fork_worker(m, shared, work[1], work[2], rounds)
    for round = 1, rounds do
      process.sleep(math.random() * 0.0003)
      process.kill(worker, support.SIGINT)
      support.wait_until(function() return shared(1) == round or process.state(worker) == "Z" end)
    end
    support.assert_succeeds(worker)
    support.kill(contender)
  end
end

function cases.test_ctrl_c_at_random_moments_1000_times() interrupt_at_random {} end
function cases.test_ctrl_c_at_random_moments_1000_times_fair() interrupt_at_random { fair = true } end

-- The signal and the release come together: either way, nothing is left held.
function cases.test_ctrl_c_while_the_lock_is_handed_over()
  for _, fair in ipairs { false, true } do
    for name, work in pairs(works) do
      local m = open({ fair = fair }, name .. tostring(fair))
      local shared = process.shared()
      assert(m:lock())
      local worker = fork_worker(m, shared, work[1], work[2], rounds / 5)
      for round = 1, rounds / 5 do
        support.wait_until(function() return m:info().waiters or process.state(worker) == "Z" end)
        assert(m:unlock())
        process.kill(worker, support.SIGINT)
        support.wait_until(function() return shared(1) == round or process.state(worker) == "Z" end)
        assert(m:lock())
      end
      assert(m:unlock())
      support.assert_succeeds(worker)
    end
  end
end

-- With the interpreter's own handler, which serves once.
function cases.test_ctrl_c_at_random_moments_of_a_script()
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
  for i = 1, 100 do
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
  for _, fair in ipairs { false, true } do
    local waiter = support.fork(function()
      interpreter.on_signal(support.SIGUSR1, function() assert(m:close()) end) -- in the middle of the wait
      local passed, message = pcall(m.lock, m)
      assert(not passed, "went on")
      return message:find "closed" and 0 or 1
    end)
    support.wait_until(function() return m:info().waiters end)
    support.wait_until_asleep(waiter)
    process.kill(waiter, support.SIGUSR1)
    support.assert_succeeds(waiter)
    support.kill(holder)
    m = open({ fair = true }, "fair")
    if not fair then holder = support.fork_holder(m) end
  end
end

-- The hook is the main coroutine's. It is lent to the one that waits, and taken back though it raises.
function cases.test_hook_that_raises_in_a_coroutine()
  local m = open()
  local holder = support.fork_holder(m)
  local waiter = support.fork(function()
    local count = 0
    interpreter.on_signal(support.SIGUSR1, function() error("from the hook", 0) end)
    return coroutine.wrap(function()
      if not jit then debug.sethook(function() count = count + 1 end, "c") end
      local passed, message = pcall(m.lock, m)
      assert(not passed and message == "from the hook" and not m:owned(), message)
      if jit then return 0 end -- which has one hook for all coroutines
      local before = count
      type(before)
      assert(count > before, "this coroutine's own hook is lost")
      return 0
    end)()
  end)
  support.wait_until(function() return m:info().waiters end)
  support.wait_until_asleep(waiter)
  process.kill(waiter, support.SIGUSR1)
  support.assert_succeeds(waiter)
  support.kill(holder)
end

support.run(cases)
