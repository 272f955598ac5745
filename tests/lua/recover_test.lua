-- Owners that die inside, and what their successors are told.
local support = require "support"
local unit, process, shmutex = support.unit, support.process, support.shmutex
local open, assert_fails, die_inside = support.open, support.assert_fails, support.die_inside

local cases = {}

function cases.test_without_recover_it_is_never_entered()
  local m = open()
  die_inside(m)
  local message = assert_fails("EOWNERDEAD", m:lock())
  unit.assertStrContains(message, m:path())
  unit.assertIs(m:owned(), false)
  unit.assertEquals(m:info().state, "owner-died")
end

function cases.test_a_death_is_told_to_everyone()
  local m = open()
  die_inside(m)
  assert_fails("EOWNERDEAD", m:lock())
  assert_fails("EOWNERDEAD", m:trylock())
  assert_fails("EOWNERDEAD", m:lock(1))
  support.assert_succeeds(support.fork(function()
    return select(3, m:lock()) == shmutex.errno.EOWNERDEAD and 0 or 1
  end))
  assert_fails("EOWNERDEAD", m:with(function() error "not to be called" end))
end

function cases.test_a_waiter_gets_it_at_the_death()
  for _, fair in ipairs { false, true } do
    local m = open({ fair = fair, recover = function() end }, "fair " .. tostring(fair))
    local holder = support.fork_holder(m)
    local waiters = {}
    for i = 1, 3 do
      waiters[i] = support.fork(function() return m:lock() and m:unlock() and 0 or 1 end)
      support.wait_until_asleep(waiters[i])
    end
    support.kill(holder)
    for _, waiter in ipairs(waiters) do support.assert_succeeds(waiter) end
    unit.assertEquals(m:info().recoveries, 1)
  end
end

function cases.test_recover_is_called_with_the_lock_held()
  local calls = 0
  local m
  m = open { recover = function(mutex, ...)
    calls = calls + 1
    unit.assertIs(mutex, m)
    unit.assertEquals(select("#", ...), 0)
    unit.assertIs(mutex:owned(), true)
  end }
  die_inside(m)
  unit.assertIs(m:lock(), true)
  unit.assertIs(m:owned(), true)
  m:unlock()
  unit.assertIs(m:lock(), true)
  unit.assertEquals(calls, 1)
  unit.assertEquals(m:info().recoveries, 1)
end

function cases.test_every_answer_but_false_declares_the_data_consistent()
  for _, result in ipairs { true, 0, "", {} } do
    local m = open({ recover = function() return result end }, "lock " .. type(result))
    die_inside(m)
    unit.assertIs(m:lock(), true)
  end
  local m = open({ recover = function() return nil end }, "lock nil")
  die_inside(m)
  unit.assertIs(m:trylock(), true)
end

function cases.test_false_poisons()
  local m = open { recover = function() return false end }
  die_inside(m)
  local message = assert_fails("ENOTRECOVERABLE", m:lock())
  unit.assertStrContains(message, "poisoned")
  unit.assertIs(m:owned(), false)
  assert_fails("ENOTRECOVERABLE", m:lock())
  unit.assertEquals(m:info().state, "poisoned")
end

function cases.test_an_exception_leaves_it_marked_and_propagates()
  local problem = {}
  local m = open { recover = function() error(problem) end }
  die_inside(m)
  local passed, raised = pcall(m.lock, m)
  unit.assertIs(passed, false)
  unit.assertIs(raised, problem)
  unit.assertIs(m:owned(), false)
  unit.assertEquals(m:info().state, "owner-died")
  unit.assertIs(pcall(m.trylock, m), false)
  unit.assertIs(pcall(m.with, m, function() end), false)
end

function cases.test_recover_may_say_it_itself()
  local m = open { recover = function(m) assert(m:consistent()) end }
  die_inside(m)
  unit.assertIs(m:lock(), true)
end

function cases.test_recover_that_poisons_itself()
  local m = open { recover = function(m) assert(m:poison()) end }
  die_inside(m)
  assert_fails("ENOTRECOVERABLE", m:lock())
  unit.assertIs(m:owned(), false)
end

function cases.test_recover_that_releases()
  local m = open { recover = function(m) assert(m:unlock()) end }
  die_inside(m)
  assert_fails("EPERM", m:lock())
  unit.assertIs(m:owned(), false)
  unit.assertEquals(m:info().state, "owner-died")
end

function cases.test_recover_that_closes()
  local m = open { recover = function(m) assert(m:unlock()) assert(m:close()) end }
  die_inside(m)
  unit.assertErrorMsgContains("closed", m.lock, m)
end

function cases.test_recover_cannot_close()
  local m = open { recover = function(m) assert_fails("EBUSY", m:close()) end }
  die_inside(m)
  unit.assertIs(m:lock(), true)
end

function cases.test_recover_that_locks_a_recursive_lock_again()
  local m = open { recursive = true, recover = function(m) assert(m:lock()) assert(m:unlock()) end }
  die_inside(m)
  unit.assertIs(m:lock(), true)
  unit.assertEquals(m:info().depth, 1)
end

function cases.test_recover_that_yields()
  local m = open { recover = function() coroutine.yield() end }
  die_inside(m)
  local passed, message = coroutine.resume(coroutine.create(function() return m:lock() end))
  unit.assertIs(passed, false)
  unit.assertStrContains(message, "yield")
  unit.assertIs(m:owned(), false)
  unit.assertEquals(m:info().state, "owner-died")
end

function cases.test_consistent_with_nothing_to_declare()
  local m = open()
  assert_fails("EPERM", m:consistent())
  m:lock()
  assert_fails("EINVAL", m:consistent())
end

function cases.test_poison()
  local m = open()
  assert_fails("EPERM", m:poison())
  m:lock()
  unit.assertIs(m:poison(), true)
  unit.assertIs(m:owned(), true)
  m:unlock()
  assert_fails("ENOTRECOVERABLE", m:lock())
  assert_fails("ENOTRECOVERABLE", m:trylock())
  assert_fails("ENOTRECOVERABLE", m:with(error))
  unit.assertIs(shmutex.unlink(m:path()), true)
  unit.assertIs(open():lock(), true)
end

function cases.test_exit_while_held()
  local m = open()
  local code = ("assert(require 'shmutex'.open(%q):lock()) os.exit(0)"):format(m:path())
  support.assert_succeeds(support.spawn(support.interpreter, "-e", code))
  assert_fails("EOWNERDEAD", m:lock())
end

function cases.test_end_of_script_while_holding_is_a_death()
  local m = open()
  local code = ("local m = assert(require 'shmutex'.open(%q)) assert(m:lock())"):format(m:path())
  support.assert_succeeds(support.spawn(support.interpreter, "-e", code))
  assert_fails("EOWNERDEAD", m:lock())
end

function cases.test_thread_exit_is_a_death()
  local m = open()
  local thread = process.thread([[ return tostring(require "shmutex".open(...):lock()) ]], m:path())
  unit.assertEquals({ thread:join() }, { "true" })
  assert_fails("EOWNERDEAD", m:lock())
end

function cases.test_a_worker_is_killed()
  local m = open()
  local shared = process.shared()
  local recovered = assert(shmutex.open(m:path(), { recover = function()
    if shared(1) ~= shared(2) then shared(1, shared(2) - shared(1)) end
  end }))
  for _ = 1, 40 do
    local worker = support.fork(function()
      while true do
        assert(recovered:lock())
        if shared(1) ~= shared(2) then return 1 end
        shared(1, 1)
        shared(2, 1)
        assert(recovered:unlock())
        shared(3, 1)
      end
    end)
    local seen = shared(3)
    support.wait_until(function() return shared(3) > seen + 20 end)
    unit.assertEquals(support.kill(worker), "signal")
    assert(recovered:lock())
    unit.assertEquals(shared(1), shared(2))
    assert(recovered:unlock())
  end
end

support.run(cases)
