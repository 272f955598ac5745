-- Owners that die inside, and what their successors are told.
local support = require "support"
local unit, process, shmutex = support.unit, support.process, support.shmutex
local open, assert_fails, die_inside = support.open, support.assert_fails, support.die_inside

local cases = {}

-- Every way of acquiring; each returns what lock() returns, and leaves the lock as it was.
local function releasing(m, ...)
  if ... then assert(m:owned()) assert(m:unlock()) end
  return ...
end

local ways = {
  lock = function(m) return releasing(m, m:lock()) end,
  timed = function(m) return releasing(m, m:lock(5)) end,
  once = function(m) return releasing(m, m:lock(0)) end,
  try = function(m) return releasing(m, m:trylock()) end,
  with = function(m) return m:with(function() assert(m:owned()) return true end) end,
}
if support.has_close then
  ways.guard = load [[
    local m = ...
    local passed, message = pcall(function()
      local _ <close> = m:guard()
      assert(m:owned())
    end)
    if passed then return true end
    if type(message) ~= "string" then error(message, 0) end
    local errno = require "shmutex".errno
    local poisoned, died = message:find "poisoned", message:find "died inside"
    return nil, message, poisoned and errno.ENOTRECOVERABLE or died and errno.EOWNERDEAD
  ]]
end

-- Calls body(m, acquire) for each kind of lock and way of acquiring, where somebody died inside.
local function each_kind_and_way(recover, body)
  support.each_kind(function(options, kind)
    for way, acquire in pairs(ways) do
      local m = open(support.merge(options, { recover = recover }), kind .. " " .. way)
      die_inside(m)
      body(m, acquire)
      unit.assertIs(m:owned(), false, kind .. " " .. way)
    end
  end)
end

function cases.test_without_recover_it_is_never_entered()
  each_kind_and_way(nil, function(m, acquire)
    for _ = 1, 3 do -- the next one is told, too
      local message = assert_fails("EOWNERDEAD", acquire(m))
      unit.assertStrContains(message, m:path())
      unit.assertIs(m:owned(), false)
      unit.assertEquals(m:info().state, "owner-died")
    end
  end)
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
  support.each_kind(function(options, kind)
    local m = open(support.merge(options, { recover = function() end }), kind)
    local holder = support.fork_holder(m)
    local waiters = {}
    for i = 1, 3 do
      waiters[i] = support.fork(function() return m:lock() and m:unlock() and 0 or 1 end)
      support.wait_until_asleep(waiters[i])
    end
    support.kill(holder)
    for _, waiter in ipairs(waiters) do support.assert_succeeds(waiter) end
    unit.assertEquals(m:info().recoveries, 1)
  end)
end

function cases.test_recover_is_called_with_the_lock_held()
  local calls = {}
  local function recover(...) table.insert(calls, { select("#", ...), ..., (...):owned(), (...):info().depth }) end
  each_kind_and_way(recover, function(m, acquire)
    unit.assertIs(acquire(m), true)
    unit.assertEquals(calls, { { 1, m, true, 1 } })
    unit.assertEquals(m:info().state, "free")
    unit.assertIs(acquire(m), true)
    unit.assertEquals(#calls, 1)
    unit.assertEquals(m:info().recoveries, 1)
    calls = {}
  end)
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
  each_kind_and_way(function() return false end, function(m, acquire)
    for _ = 1, 2 do
      local message = assert_fails("ENOTRECOVERABLE", acquire(m))
      unit.assertStrContains(message, "poisoned")
      unit.assertIs(m:owned(), false)
      unit.assertEquals(m:info().state, "poisoned")
    end
  end)
end

function cases.test_an_exception_leaves_it_marked_and_propagates()
  local problem = {}
  each_kind_and_way(function() error(problem) end, function(m, acquire)
    for _ = 1, 2 do
      local passed, raised = pcall(acquire, m)
      unit.assertIs(passed, false)
      unit.assertIs(raised, problem)
      unit.assertIs(m:owned(), false)
      unit.assertEquals(m:info().state, "owner-died")
    end
  end)
end

function cases.test_an_exception_after_acquiring_more_deeply_releases_all()
  for _, fair in ipairs { false, true } do
    local m = open({ recursive = true, fair = fair, recover = function(m)
      assert(m:lock())
      assert(m:trylock())
      error "no backup"
    end }, "fair " .. tostring(fair))
    die_inside(m)
    unit.assertErrorMsgContains("no backup", m.lock, m)
    unit.assertIs(m:owned(), false)
    unit.assertEquals(m:info().state, "owner-died")
  end
end

function cases.test_recover_may_say_it_itself()
  local m = open { recover = function(m) assert(m:consistent()) end }
  die_inside(m)
  unit.assertIs(m:lock(), true)
  unit.assertEquals(m:info().recoveries, 1)
  m:unlock()
  m = open { recover = function(mutex) assert(mutex:poison()) end }
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
  for handles = 1, 2 do
    local m = open { recover = function(m) assert_fails("EBUSY", m:close()) end }
    local other = handles == 2 and open()
    die_inside(m)
    unit.assertIs(m:lock(), true)
    unit.assertIs(m:unlock(), true)
    unit.assertIs(m:close(), true)
    if other then other:close() end
  end
end

function cases.test_recover_may_be_whatever_can_be_called()
  local called
  local repairs = setmetatable({}, { __call = function(self, m) called = { self, m:owned() } end })
  local m = open { recover = repairs }
  die_inside(m)
  unit.assertIs(m:lock(), true)
  unit.assertEquals(called, { repairs, true })
end

function cases.test_an_inherited_option_is_not_used()
  local function fail() error "not to be called" end
  local options = setmetatable({}, { __index = { recover = fail, recursive = true, fair = true } })
  local m = open(options)
  unit.assertIs(m:info().recursive, false)
  unit.assertIs(m:info().fair, false)
  die_inside(m)
  assert_fails("EOWNERDEAD", m:lock())
  m = open(setmetatable({ recover = function() end }, { __index = fail }))
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
  unit.assertEquals(m:info().state, "poisoned")
  unit.assertEquals({ m:owner() }, { process.getpid(), process.getpid() }) -- somebody is still inside
  m:unlock()
  unit.assertEquals({ m:owner() }, {})
  assert_fails("ENOTRECOVERABLE", m:lock())
  assert_fails("ENOTRECOVERABLE", m:trylock())
  assert_fails("ENOTRECOVERABLE", m:with(error))
  unit.assertIs(shmutex.unlink(m:path()), true)
  unit.assertIs(open():lock(), true)
end

function cases.test_every_end_is_a_death()
  local ends = {
    "m:lock()", "m:lock() os.exit(0)", "m:lock() os.exit(0, true)", "m:lock() error 'uncaught'",
    "m:with(function() os.exit(0) end)",
    "m:with(function() os.exit(0, true) end)", -- closes the Lua state, but does not return to with()
    "m:lock() m = nil collectgarbage()",
  }
  if support.has_close then table.insert(ends, "local _ <close> = m:guard() os.exit(0)") end
  local m = open { recover = function() end }
  for i, last_words in ipairs(ends) do
    local code = ("m = assert(require 'shmutex'.open(%q)) %s"):format(m:path(), last_words)
    support.wait(support.spawn("/bin/sh", "-c", ('exec %s -e "$0" 2>/dev/null'):format(support.interpreter), code))
    unit.assertEquals(m:info().state, "owner-died", last_words)
    unit.assertIs(m:lock(), true)
    unit.assertEquals(m:info().recoveries, i)
    m:unlock()
  end
end

-- Two deaths, of which the second happens during the repair.
function cases.test_a_release_that_never_repaired_tells_the_next_one()
  support.each_kind(function(options, kind)
    local m = open(support.merge(options, { recover = function() end }), kind)
    die_inside(m)
    local repairing = assert(shmutex.open(m:path(), support.merge(options, {
      recover = function() process.kill(process.getpid(), support.SIGKILL) end,
    })))
    unit.assertEquals({ support.wait(support.fork(function() repairing:lock() end)) }, { "signal", support.SIGKILL })
    unit.assertEquals(m:info().state, "owner-died")
    unit.assertIs(m:lock(), true)
    unit.assertEquals(m:info().recoveries, 1)
  end)
end

function cases.test_unlink_after_a_death()
  support.each_kind(function(options, kind)
    local m = open(options, kind)
    die_inside(m)
    unit.assertIs(shmutex.unlink(m:path()), true)
    assert_fails("ENOENT", shmutex.inspect(m:path()))
    assert_fails("EIDRM", m:lock())
  end)
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

function cases.test_the_readme_after_an_owners_death()
  local file = assert(io.open((arg[0]:match "^(.*)/" or ".") .. "/../../README.md"))
  local block = file:read("*a"):match "```lua\n(.-)```"
  file:close()
  die_inside(open())
  local calls = {}
  repair = function(m) calls[#calls + 1] = m:owned() and "repair" end -- luacheck: ignore
  change = function(what) calls[#calls + 1] = what end -- luacheck: ignore
  data = "change" -- luacheck: ignore
  local text = block:gsub("/dev/shm/app.lock", support.path())
  for _ = 1, 2 do assert((loadstring or load)(text))() end
  repair, change, data = nil, nil, nil -- luacheck: ignore
  unit.assertEquals(calls, { "repair", "change", "change" })
end

support.run(cases)
