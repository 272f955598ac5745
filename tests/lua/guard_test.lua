-- with() on every Lua, guard() where there are to-be-closed variables.
local support = require "support"
local unit, shmutex = support.unit, support.shmutex
local open, assert_fails = support.open, support.assert_fails

local cases = {}

function cases.test_with_passes_arguments_and_results()
  local m = open()
  local function body(...)
    assert(m:owned())
    return select("#", ...), ...
  end
  unit.assertEquals({ m:with(body, 1, nil, "x", nil) }, { 4, 1, nil, "x", nil })
  unit.assertEquals(select("#", m:with(body, 1, nil, "x", nil)), 5)
  unit.assertEquals(select("#", m:with(function() end)), 0)
  unit.assertIs(m:owned(), false)
end

function cases.test_with_releases_when_an_exception_leaves()
  local m = open()
  local problem = {}
  local passed, raised = pcall(m.with, m, function() error(problem) end)
  unit.assertIs(passed, false)
  unit.assertIs(raised, problem)
  unit.assertIs(m:owned(), false)
  passed = pcall(m.with, m, function() error(nil) end)
  unit.assertIs(passed, false)
  unit.assertIs(m:owned(), false)
  unit.assertErrorMsgContains("deep down", m.with, m, function() error "deep down" end)
end

function cases.test_with_many_values()
  local m = open()
  local many = {}
  for i = 1, 200 do many[i] = i end
  local unpack = table.unpack or unpack
  unit.assertEquals({ m:with(function(...) return ... end, unpack(many)) }, many)
end

function cases.test_with_fails()
  local m = open()
  support.die_inside(m)
  assert_fails("EOWNERDEAD", m:with(function() error "not to be called" end))
  shmutex.unlink(m:path())
  assert_fails("EIDRM", m:with(function() error "not to be called" end))
end

function cases.test_with_deadlock()
  local m = open()
  m:with(function() assert_fails("EDEADLK", m:with(function() error "not to be called" end)) end)
  unit.assertIs(m:owned(), false)
end

function cases.test_with_recursive()
  local m = open { recursive = true }
  unit.assertEquals(m:with(function() return m:with(function() return m:info().depth end) end), 2)
  unit.assertIs(m:owned(), false)
end

function cases.test_with_function_that_releases()
  local m = open()
  unit.assertErrorMsgContains("does not hold", m.with, m, function() m:unlock() end)
  unit.assertErrorMsgContains("the real problem", m.with, m, function() m:unlock() error "the real problem" end)
end

function cases.test_with_function_that_closes()
  for handles = 1, 2 do -- what there is beside m does not matter
    local m = open()
    local other = handles == 2 and open()
    local message
    unit.assertIs(m:with(function()
      message = assert_fails("EBUSY", m:close())
      return m:owned()
    end), true)
    unit.assertStrContains(message, m:path() .. " is held by the calling thread; unlock it first")
    unit.assertEquals(m:info().state, "free")
    unit.assertErrorMsgContains("closed", m.with, m, function() assert(m:unlock()) assert(m:close()) end)
    unit.assertEquals(shmutex.inspect(support.path()).state, "free")
    unit.assertErrorMsgContains("the real problem", function()
      local again = open()
      again:with(function() assert(again:unlock()) assert(again:close()) error "the real problem" end)
    end)
    if other then other:close() end
  end
end

function cases.test_with_calls_whatever_can_be_called()
  local m = open()
  local callable = setmetatable({}, { __call = function(self, ...) return m:owned(), self, ... end })
  unit.assertEquals({ m:with(callable, 1, 2) }, { true, callable, 1, 2 })
  unit.assertIs(m:owned(), false)
end

function cases.test_with_passes_false_and_other_errors_on()
  local m = open()
  for _, value in ipairs { false, true, 1, "text", {}, print } do
    local passed, raised = pcall(m.with, m, function() error(value, 0) end)
    unit.assertIs(passed, false)
    unit.assertIs(raised, value)
    unit.assertIs(m:owned(), false)
    unit.assertIs(m:with(function() return value end), value)
  end
end

-- with() passes the error's value on, but the stack at its place is gone by then.
function cases.test_with_keeps_a_traceback_that_is_made_inside()
  local m = open()
  local function culprit() error "deep down" end
  local passed, text = pcall(m.with, m, function()
    local done, trace = xpcall(culprit, debug.traceback)
    if not done then error(trace, 0) end
  end)
  unit.assertIs(passed, false)
  unit.assertStrContains(text, "deep down")
  local where = debug.getinfo(culprit, "S")
  unit.assertStrContains(text, ("in function <%s:%d>"):format(where.short_src, where.linedefined))
  unit.assertIs(m:owned(), false)
end

function cases.test_with_wrong_arguments()
  local m = open()
  unit.assertErrorMsgContains("function expected", m.with, m)
  unit.assertErrorMsgContains("function expected", m.with, m, {})
  unit.assertIs(m:owned(), false)
end

if not support.has_close then
  function cases.test_guard_says_what_to_use_instead()
    local m = open()
    unit.assertErrorMsgContains("with()", m.guard, m)
    unit.assertIs(m:owned(), false)
  end
else
  -- Not a syntax error for other Luas.
  local guarded = load [[
    local m, body, timeout = ...
    do
      local _ <close> = m:guard(timeout)
      body()
    end
    return m:owned()
  ]]

  function cases.test_guard()
    local m = open()
    unit.assertIs(guarded(m, function() assert(m:owned()) end), false)
  end

  function cases.test_guard_unlocks_after_an_error()
    local m = open()
    local problem = {}
    for _, value in ipairs { problem, "text", 1, false, true, print } do
      local passed, raised = pcall(guarded, m, function() error(value, 0) end)
      unit.assertIs(passed, false)
      unit.assertIs(raised, value)
      unit.assertIs(m:owned(), false)
    end
    unit.assertIs(pcall(guarded, m, function() error(nil) end), false)
    unit.assertIs(m:owned(), false)
  end

  function cases.test_guard_of_a_mutex_that_is_closed()
    for handles = 1, 2 do
      local m = open()
      local other = handles == 2 and open()
      local refused
      unit.assertIs(guarded(m, function() refused = { m:close() } end), false)
      assert_fails("EBUSY", refused[1], refused[2], refused[3])
      unit.assertEquals(m:info().state, "free")
      unit.assertErrorMsgContains("closed", guarded, m, function() assert(m:unlock()) assert(m:close()) end)
      unit.assertEquals(shmutex.inspect(support.path()).state, "free")
      if other then other:close() end
    end
  end

  function cases.test_a_failed_release_behind_an_error_warns()
    for _, body in ipairs { "m:with(f)", "local _ <close> = m:guard() f()" } do
      local pid = support.start(([[
        warn "@on"
        local m = assert(require "shmutex".open(%q))
        local function f() m:unlock() error("the real problem", 0) end
        print(select(2, pcall(function() %s end)))
      ]]):format(support.path(), body))
      support.assert_succeeds(pid)
      local warning = "Lua warning: shmutex: The calling thread does not hold " .. support.path()
      unit.assertStrContains(support.output(), warning)
      unit.assertStrContains(support.output(), "the real problem")
    end
  end

  function cases.test_guard_unlocks_after_break_return_goto()
    local m = open()
    load [[
      local m = ...
      for _ = 1, 2 do local _ <close> = m:guard() break end
      assert(not m:owned())
      do local _ <close> = m:guard() goto out end
      ::out::
      assert(not m:owned())
      local function f() local _ <close> = m:guard() return m:owned() end
      assert(f() and not m:owned())
    ]](m)
    unit.assertIs(m:owned(), false)
  end

  function cases.test_guard_raises()
    local m = open()
    support.fork_holder(m)
    unit.assertErrorMsgContains("timed out", m.guard, m, 0.01)
    unit.assertIs(m:owned(), false)
    support.die_inside(open({}, "other"))
    local other = open({}, "other")
    unit.assertErrorMsgContains("died inside", other.guard, other)
    unit.assertErrorMsgContains("died inside", guarded, other, function() end)
    unit.assertEquals(other:info().state, "owner-died")
  end

  function cases.test_guard_error_names_the_line()
    local m = open()
    m:lock()
    unit.assertErrorMsgMatches("^here:1: .*", load("(...):guard()", "=here"), m)
  end

  function cases.test_guard_recursive()
    local m = open { recursive = true }
    guarded(m, function()
      guarded(m, function() unit.assertEquals(m:info().depth, 2) end)
      unit.assertEquals(m:info().depth, 1)
    end)
    unit.assertIs(m:owned(), false)
  end

  function cases.test_guard_of_a_released_lock()
    local m = open()
    unit.assertErrorMsgContains("does not hold", guarded, m, function() m:unlock() end)
    unit.assertErrorMsgContains("the real problem", guarded, m, function() m:unlock() error "the real problem" end)
  end

  function cases.test_guard_keeps_the_mutex()
    local code = load [[
      local open, path = ...
      local g <close> = open():guard()
      collectgarbage()
      collectgarbage()
      return require "shmutex".inspect(path).state
    ]]
    unit.assertEquals(code(open, support.path()), "held")
    unit.assertEquals(shmutex.inspect(support.path()).state, "free")
  end

  function cases.test_guard_recovers()
    local m = open { recover = function() end }
    support.die_inside(m)
    unit.assertIs(guarded(m, function() end), false)
    unit.assertEquals(m:info().state, "free")
  end

  function cases.test_close_of_a_mutex_variable()
    local path = support.path()
    load [[
      local open = ...
      do local m <close> = open() assert(m:lock()) assert(m:unlock()) end
    ]](open)
    unit.assertIs(shmutex.unlink(path), true)
  end
end

support.run(cases)
