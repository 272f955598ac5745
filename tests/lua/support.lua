-- What the tests share: LuaUnit with a watchdog for each test, a directory that goes away, and processes that do.
local process = require "process"
local shmutex = require "shmutex"
local unit = require "luaunit"

local support = { unit = unit, process = process, shmutex = shmutex }

support.SIGINT, support.SIGKILL, support.SIGUSR1, support.SIGSTOP, support.SIGCONT = 2, 9, 10, 19, 18
support.has_close = _VERSION == "Lua 5.4"
support.yields_across_c = _VERSION ~= "Lua 5.1" -- LuaJIT says 5.1, too
support.interpreter = arg[-1]

local directory
local children = {}

-- A path in this test's own directory.
function support.path(name) return directory .. "/" .. (name or "lock") end

-- A new mutex at that path. Fails the test if it cannot be opened.
function support.open(options, name) return assert(shmutex.open(support.path(name), options)) end

-- Polls until the condition holds. The watchdog is the limit.
function support.wait_until(condition)
  while not condition() do process.sleep(0.0002) end
end

function support.fork(body)
  local pid = process.fork(body)
  children[pid] = true
  return pid
end

function support.spawn(...)
  local pid = process.spawn(...)
  children[pid] = true
  return pid
end

function support.wait(pid)
  children[pid] = nil
  return process.wait(pid)
end

function support.kill(pid)
  process.kill(pid, support.SIGKILL)
  return support.wait(pid)
end

function support.assert_succeeds(pid)
  local how, number = support.wait(pid)
  unit.assertEquals(how .. " " .. number, "exit 0")
end

-- A child that acquires the mutex (opened by the parent: handles survive a fork) and then sleeps without end.
function support.fork_holder(m)
  local pid = support.fork(function()
    assert(m:lock())
    while true do process.sleep(3600) end
  end)
  support.wait_until(function() return m:owner() == pid end)
  return pid
end

-- Leaves the lock marked: a process dies inside.
function support.die_inside(m) support.kill(support.fork_holder(m)) end

function support.wait_until_asleep(pid)
  support.wait_until(function() return process.state(pid) == "S" end)
end

function support.assert_fails(code, ...)
  local value, message, number = ...
  unit.assertNil(value)
  unit.assertIsString(message)
  unit.assertEquals(number, shmutex.errno[code], message)
  support.assert_in_lua(message)
  return message
end

-- Advice names what there is in Lua.
function support.assert_in_lua(message)
  unit.assertNil(message:match "SHMUTEX_", message)
  unit.assertNil(message:match "shmutex_", message)
end

-- Calls body(options, name) for each kind of lock; the name is good for a file.
function support.each_kind(body)
  body({}, "plain")
  body({ fair = true }, "fair")
  body({ recursive = true }, "recursive")
  body({ recursive = true, fair = true }, "recursive-fair")
end

-- The options, and others.
function support.merge(options, others)
  local all = {}
  for name, value in pairs(options) do all[name] = value end
  for name, value in pairs(others) do all[name] = value end
  return all
end

-- Runs a script in an interpreter of its own, which brings its own handler of SIGINT. Its output goes to a file.
function support.start(body)
  local file = assert(io.open(support.path "script.lua", "w"))
  file:write(body)
  file:close()
  return support.spawn("/bin/sh", "-c", ("exec %s %s >%s 2>&1"):format(support.interpreter,
    support.path "script.lua", support.path "output"))
end

function support.output()
  local file = assert(io.open(support.path "output"))
  local text = file:read "*a"
  file:close()
  return text
end

-- Runs the cases: a table of functions whose names begin with test_. The script's argument, if it has one, chooses one.
function support.run(cases)
  local suite = {}
  for name, body in pairs(cases) do
    suite[name] = function()
      process.watchdog(name, tonumber(os.getenv "SHMUTEX_TEST_SECONDS" or 120))
      directory = process.mkdtemp()
      local passed, problem = pcall(body)
      for pid in pairs(children) do support.kill(pid) end
      os.execute("rm -r " .. directory)
      process.watchdog(name, 0)
      if not passed then error(problem, 0) end
    end
  end
  local runner = unit.LuaUnit.new()
  runner:setOutputType("text")
  local listed = {}
  for name, body in pairs(suite) do
    if not arg[1] or name == arg[1] then table.insert(listed, { name, body }) end
  end
  table.sort(listed, function(a, b) return a[1] < b[1] end)
  -- Objects that a test left go before Lua goes, as they would in a program that lives longer.
  local failures = runner:runSuiteByInstances(listed)
  collectgarbage()
  os.exit(failures == 0 and 0 or 1)
end

return support
