-- Acquire and release, by one process and by several.
local support = require "support"
local unit, process, shmutex = support.unit, support.process, support.shmutex
local open, fork, wait_until = support.open, support.fork, support.wait_until
local assert_fails = support.assert_fails

local cases = {}

function cases.test_acquire_and_release()
  local m = open()
  unit.assertIs(m:lock(), true)
  unit.assertIs(m:owned(), true)
  unit.assertIs(m:unlock(), true)
  unit.assertIs(m:owned(), false)
end

function cases.test_try_lock()
  local m = open()
  unit.assertIs(m:trylock(), true)
  assert_fails("EBUSY", m:trylock())
  unit.assertIs(m:unlock(), true)
end

function cases.test_busy_is_false()
  local m = open()
  local holder = support.fork_holder(m)
  local message = assert_fails("EBUSY", m:trylock())
  unit.assertStrContains(message, m:path())
  unit.assertStrContains(message, tostring(holder))
  unit.assertIs(m:owned(), false)
end

function cases.test_a_timeout_is_waited_for()
  local m = open()
  support.fork_holder(m)
  local start = process.now()
  assert_fails("ETIMEDOUT", m:lock(0.05))
  unit.assertTrue(process.now() - start >= 0.05)
  unit.assertIs(m:owned(), false)
end

function cases.test_a_timeout_of_the_main_thread_spans_slices()
  local m = open()
  support.fork_holder(m)
  local start = process.now()
  assert_fails("ETIMEDOUT", m:lock(1.2))
  unit.assertTrue(process.now() - start >= 1.2)
end

function cases.test_fractions_of_a_nanosecond_are_not_cut_off()
  local m = open()
  support.fork_holder(m)
  for i = 1, 40 do
    local timeout = 0.0012345678912345 * i / 7
    local start = process.now()
    assert_fails("ETIMEDOUT", m:lock(timeout))
    unit.assertTrue(process.now() - start >= timeout)
  end
  assert_fails("ETIMEDOUT", m:lock(1e-10))
end

function cases.test_a_lock_that_is_free_is_acquired_whatever_the_timeout()
  local m = open()
  unit.assertIs(m:lock(0), true)
  m:unlock()
  support.fork_holder(m)
  assert_fails("ETIMEDOUT", m:lock(0))
end

function cases.test_the_largest_timeout()
  local m = open()
  for _, forever in ipairs { math.huge, 1e300, 2 ^ 62 } do
    unit.assertIs(m:lock(forever), true)
    m:unlock()
  end
  unit.assertIs(m:lock(nil), true)
end

function cases.test_timeouts_that_are_value_errors()
  local m = open()
  for _, wrong in ipairs { -1, -0.5, 0 / 0 } do
    unit.assertErrorMsgContains("0 or more", m.lock, m, wrong)
  end
  unit.assertErrorMsgContains("number expected", m.lock, m, "soon")
  unit.assertErrorMsgContains("number expected", m.lock, m, {})
  unit.assertIs(m:owned(), false)
end

function cases.test_waits_until_released()
  for _, fair in ipairs { false, true } do
    local m = open({ fair = fair }, "fair " .. tostring(fair))
    local shared = process.shared()
    m:lock()
    local waiter = fork(function()
      assert(m:lock())
      assert(shared(1) == 1)
      assert(m:unlock())
    end)
    support.wait_until_asleep(waiter)
    shared(1, 1)
    m:unlock()
    support.assert_succeeds(waiter)
  end
end

function cases.test_timed_wait_succeeds()
  local m = open()
  m:lock()
  local waiter = fork(function() return m:lock(100) and m:unlock() and 0 or 1 end)
  support.wait_until_asleep(waiter)
  m:unlock()
  support.assert_succeeds(waiter)
end

function cases.test_no_update_is_lost()
  for _, fair in ipairs { false, true } do
    local m = open({ fair = fair }, "fair " .. tostring(fair))
    local shared = process.shared()
    local workers = {}
    for i = 1, 4 do
      workers[i] = fork(function()
        for _ = 1, fair and 500 or 5000 do
          assert(m:lock())
          local seen = shared(1)
          shared(1, 1)
          if shared(1) ~= seen + 1 then return 1 end
          assert(m:unlock())
        end
      end)
    end
    for _, worker in ipairs(workers) do support.assert_succeeds(worker) end
    unit.assertEquals(tonumber(shared(1)), fair and 2000 or 20000)
  end
end

function cases.test_acquiring_ones_own_lock_again()
  local m = open()
  m:lock()
  assert_fails("EDEADLK", m:lock())
  assert_fails("EDEADLK", m:lock(0.01))
  assert_fails("EDEADLK", m:lock(0))
  unit.assertIs(m:owned(), true)
end

function cases.test_acquiring_ones_own_fair_lock_again()
  local m = open { fair = true }
  m:lock()
  assert_fails("EBUSY", m:trylock())
  assert_fails("EDEADLK", m:lock())
  assert_fails("EDEADLK", m:lock(0))
end

function cases.test_recursive()
  for _, fair in ipairs { false, true } do
    local m = open({ recursive = true, fair = fair }, "fair " .. tostring(fair))
    unit.assertIs(m:lock(), true)
    unit.assertIs(m:lock(), true)
    unit.assertIs(m:trylock(), true)
    unit.assertEquals(m:info().depth, 3)
    m:unlock()
    m:unlock()
    unit.assertIs(m:owned(), true)
    m:unlock()
    unit.assertIs(m:owned(), false)
    assert_fails("EPERM", m:unlock())
  end
end

function cases.test_release_of_what_is_not_held()
  local m = open()
  assert_fails("EPERM", m:unlock())
  support.fork_holder(m)
  local message = assert_fails("EPERM", m:unlock())
  unit.assertStrContains(message, "does not hold")
end

function cases.test_a_child_does_not_hold_its_parents_lock()
  local m = open()
  m:lock()
  support.assert_succeeds(fork(function()
    local done, _, number = m:unlock()
    return not m:owned() and done == nil and number == shmutex.errno.EPERM and 0 or 1
  end))
  unit.assertIs(m:owned(), true)
  unit.assertIs(m:unlock(), true)
end

function cases.test_handles_of_one_process_are_one_lock()
  local first, second = open(), open()
  first:lock()
  unit.assertIs(second:owned(), true)
  assert_fails("EDEADLK", second:lock())
  unit.assertIs(second:unlock(), true)
  unit.assertIs(first:owned(), false)
end

function cases.test_mutual_exclusion()
  local m = open()
  local code = [[
    local m = require "shmutex".open(...)
    for _ = 1, 5000 do assert(m:lock()) assert(m:unlock()) end
    return m:owned() and "still held" or "done"
  ]]
  local threads = {}
  for i = 1, 4 do threads[i] = process.thread(code, m:path()) end
  for _, thread in ipairs(threads) do unit.assertEquals({ thread:join() }, { "done" }) end
end

function cases.test_threads_wait_for_each_other()
  for _, fair in ipairs { false, true } do
    local m = open({ fair = fair }, "fair " .. tostring(fair))
    m:lock()
    local thread = process.thread([[
      local path, fair = (...):match "^(.*) (%a+)$"
      local m = require "shmutex".open(path, { fair = fair == "true" })
      assert(select(3, m:trylock()) == 16 and select(3, m:lock(0.01)) == 110)
      io.open(path .. " refused", "w"):close()
      return m:lock() and m:unlock() and "done"
    ]], m:path() .. " " .. tostring(fair))
    wait_until(function()
      local file = io.open(m:path() .. " refused")
      return file and file:close() and m:info().waiters
    end)
    m:unlock()
    unit.assertEquals({ thread:join() }, { "done" })
  end
end

function cases.test_release_of_another_threads_lock()
  support.each_kind(function(options, kind)
    local m = open(options, kind)
    m:lock()
    local thread = process.thread([[
      local path, recursive, fair = (...):match "^(.*) (%a+) (%a+)$"
      local m = require "shmutex".open(path, { recursive = recursive == "true", fair = fair == "true" })
      for _, method in ipairs { "unlock", "consistent", "poison" } do
        local done, message, code = m[method](m)
        assert(done == nil and code == 1, message)
      end
      return tostring(m:owned()) .. " " .. m:info().state
    ]], ("%s %s %s"):format(m:path(), tostring(options.recursive == true), tostring(options.fair == true)))
    unit.assertEquals({ thread:join() }, { "false held" })
    unit.assertIs(m:owned(), true)
    unit.assertIs(m:unlock(), true)
  end)
end

function cases.test_fair_waiters_are_served_in_order()
  local m = open { fair = true }
  m:lock()
  local waiters = {}
  for i = 1, 6 do
    -- A thread that is not the main one need not give up its place for Ctrl-C.
    waiters[i] = process.thread([[
      local m = require "shmutex".open(..., { fair = true })
      assert(m:lock())
      local token = m:token()
      assert(m:unlock())
      return tostring(token)
    ]], m:path())
    wait_until(function() return process.threads_in_fair_waits() == i end)
  end
  m:unlock()
  local last = ""
  for _, waiter in ipairs(waiters) do
    local token = assert(waiter:join())
    unit.assertTrue(#token >= #last and token > last)
    last = token
  end
end

-- The others wait when the lock is removed: all are told.
function cases.test_removed_while_waiting()
  for _, recursive in ipairs { false, true } do -- a fair lock that others queue for is never free for a moment
    local m = open({ recursive = recursive }, "recursive " .. tostring(recursive))
    local workers = {}
    for i = 1, 3 do
      workers[i] = fork(function()
        while true do
          local held, _, number = m:lock()
          if not held then return number == shmutex.errno.EIDRM and 0 or 1 end
          process.sleep(0.0005)
          assert(m:unlock())
        end
      end)
    end
    wait_until(function() return m:info().waiters end)
    local removed, number
    repeat
      removed, _, number = shmutex.unlink(m:path())
    until removed or number ~= shmutex.errno.EBUSY
    unit.assertIs(removed, true)
    for _, worker in ipairs(workers) do support.assert_succeeds(worker) end
  end
end

function cases.test_many_processes_open_at_once()
  for round = 1, 20 do
    local path = support.path("lock " .. round)
    local shared = process.shared()
    local workers = {}
    for i = 1, 8 do
      workers[i] = fork(function()
        wait_until(function() return shared(1) == 1 end)
        local m = assert(shmutex.open(path))
        assert(m:lock())
        local seen = shared(2)
        shared(2, 1)
        assert(shared(2) == seen + 1 and m:info().links == 1)
        assert(m:unlock())
      end)
    end
    shared(1, 1)
    for _, worker in ipairs(workers) do support.assert_succeeds(worker) end
    unit.assertEquals(tonumber(shared(2)), 8)
    unit.assertEquals(assert(shmutex.open(path, { exist = true })):info().state, "free")
  end
end

function cases.test_a_child_may_use_and_close_what_it_inherited()
  support.each_kind(function(options, kind)
    local m = open(options, kind)
    support.assert_succeeds(fork(function()
      assert(m:lock() and m:unlock() and m:close())
      return pcall(m.lock, m) and 1 or 0
    end))
    unit.assertIs(m:lock(), true)
    -- It does not hold what its parent holds.
    support.assert_succeeds(fork(function() return m:close() and 0 or 1 end))
    unit.assertIs(m:owned(), true)
    unit.assertIs(m:unlock(), true)
  end)
end

function cases.test_a_relative_path_stays_the_same_lock()
  support.assert_succeeds(fork(function()
    process.chdir(support.path ".")
    local m = assert(shmutex.open "lock")
    process.chdir "/"
    local other = assert(shmutex.open(support.path(), { exist = true }))
    assert(m:path() == "lock" and other:lock() and m:owned() and m:info().links == 1)
    assert(m:unlock())
    assert(not shmutex.inspect "lock")
  end))
end

support.run(cases)
