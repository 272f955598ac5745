-- A lock belongs to the operating-system thread. All coroutines of a state run in one thread, so they are one owner.
local support = require "support"
local unit, shmutex = support.unit, support.shmutex
local open, assert_fails = support.open, support.assert_fails

local cases = {}

function cases.test_held_across_a_yield()
  local m = open()
  local holder = coroutine.wrap(function()
    assert(m:lock())
    coroutine.yield()
    return m:unlock()
  end)
  holder()
  unit.assertIs(m:owned(), true) -- the main coroutine is the same thread
  support.assert_succeeds(support.fork(function() return m:trylock() and 1 or 0 end))
  unit.assertIs(holder(), true)
  unit.assertIs(m:owned(), false)
end

function cases.test_another_coroutine_does_not_wait()
  local m = open()
  local holder = coroutine.wrap(function()
    assert(m:lock())
    coroutine.yield()
    assert(m:unlock())
  end)
  holder()
  local other = coroutine.wrap(function() return m:lock() end)
  assert_fails("EDEADLK", other())
  holder()
end

function cases.test_another_coroutine_enters_a_recursive_lock()
  local m = open { recursive = true }
  local holder = coroutine.wrap(function()
    assert(m:lock())
    coroutine.yield()
    assert(m:unlock())
  end)
  holder()
  local other = coroutine.wrap(function() return m:lock() and m:info().depth end)
  unit.assertEquals(other(), 2)
  holder()
  unit.assertIs(m:owned(), true)
  m:unlock()
end

function cases.test_another_coroutine_may_unlock()
  local m = open()
  coroutine.wrap(function() assert(m:lock()) end)()
  unit.assertIs(m:owned(), true)
  unit.assertIs(coroutine.wrap(function() return m:unlock() end)(), true)
end

function cases.test_abandoned_coroutine_goes_on_holding()
  local m = open()
  coroutine.wrap(function()
    assert(m:lock())
    coroutine.yield()
  end)()
  collectgarbage()
  collectgarbage()
  unit.assertIs(m:owned(), true)
  unit.assertIs(m:unlock(), true)
end

function cases.test_with_across_a_yield()
  local m = open()
  local worker = coroutine.create(function()
    return m:with(function(...) return "resumed with", coroutine.yield(...) end, 1, 2)
  end)
  if support.yields_across_c then
    unit.assertEquals({ coroutine.resume(worker) }, { true, 1, 2 })
    unit.assertIs(m:owned(), true)
    unit.assertEquals({ coroutine.resume(worker, "x", "y") }, { true, "resumed with", "x", "y" })
  else
    local passed, message = coroutine.resume(worker) -- this Lua cannot yield across a function written in C
    unit.assertIs(passed, false)
    unit.assertStrContains(message, "yield")
  end
  unit.assertIs(m:owned(), false)
end

function cases.test_with_raises_after_a_yield()
  if not support.yields_across_c then return end
  local m = open()
  local worker = coroutine.create(function()
    m:with(function()
      coroutine.yield()
      error("late", 0)
    end)
  end)
  unit.assertIs(coroutine.resume(worker), true)
  unit.assertEquals({ coroutine.resume(worker) }, { false, "late" })
  unit.assertIs(m:owned(), false)
end

if support.has_close then
  local guarded = load [[
    local m = ...
    local _ <close> = m:guard()
    coroutine.yield(m:owned())
    return m:owned()
  ]]

  function cases.test_guard_across_a_yield()
    local m = open()
    local worker = coroutine.wrap(guarded)
    unit.assertIs(worker(m), true)
    unit.assertIs(m:owned(), true)
    unit.assertIs(worker(), true)
    unit.assertIs(m:owned(), false)
  end

  -- The language's rule: what is to be closed in a coroutine that failed is closed when the coroutine is.
  function cases.test_guard_in_a_coroutine_that_fails()
    local m = open()
    local failing = load [[
      local m = ...
      local _ <close> = m:guard()
      error("inside", 0)
    ]]
    local worker = coroutine.create(failing)
    unit.assertEquals({ coroutine.resume(worker, m) }, { false, "inside" })
    unit.assertEquals(coroutine.status(worker), "dead")
    unit.assertIs(m:owned(), true)
    unit.assertEquals({ coroutine.close(worker) }, { false, "inside" })
    unit.assertIs(m:owned(), false)
    unit.assertErrorMsgContains("inside", coroutine.wrap(failing), m) -- wrap() closes
    unit.assertIs(m:owned(), false)
    worker = coroutine.create(function() m:with(error, "inside") end)
    unit.assertIs(coroutine.resume(worker), false)
    unit.assertIs(m:owned(), false)
    worker = coroutine.create(function()
      m:with(function()
        coroutine.yield()
        error "inside"
      end)
    end)
    unit.assertIs(coroutine.resume(worker), true)
    unit.assertIs(coroutine.resume(worker), false)
    unit.assertIs(m:owned(), false)
  end

  function cases.test_coroutine_close_unlocks()
    local m = open()
    local worker = coroutine.create(guarded)
    coroutine.resume(worker, m)
    unit.assertIs(m:owned(), true)
    unit.assertIs(coroutine.close(worker), true)
    unit.assertIs(m:owned(), false)
    worker = coroutine.create(function() m:with(coroutine.yield) end)
    coroutine.resume(worker)
    unit.assertIs(m:owned(), true)
    unit.assertIs(coroutine.close(worker), true)
    unit.assertIs(m:owned(), false)
  end
end

function cases.test_wait_in_a_coroutine()
  local m = open()
  m:lock()
  local waiter = support.fork(function()
    return coroutine.wrap(function() return m:lock() and m:unlock() and 0 or 1 end)()
  end)
  support.wait_until_asleep(waiter)
  m:unlock()
  support.assert_succeeds(waiter)
  assert(shmutex.unlink(support.path()))
end

support.run(cases)
