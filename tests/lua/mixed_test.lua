-- Lua, C and Python processes on one lock file, some of them killed half-way through a change.
local support = require "support"
local unit, shmutex = support.unit, support.shmutex

local cases = {}

local function write_number(file, which, value)
  file:seek("set", which * 21)
  file:write(("%020d\n"):format(value))
  file:flush()
end

local function read_number(file, which)
  file:seek("set", which * 21)
  return tonumber(file:read(20))
end

local function change(m, numbers, half)
  assert(m:with(function()
    local file = assert(io.open(numbers, "r+"))
    local value = read_number(file, 0)
    assert(value == read_number(file, 1), "half changed")
    write_number(file, 0, value + 1)
    if half then support.process.kill(support.process.getpid(), support.SIGKILL) end
    write_number(file, 1, value + 1)
    file:close()
    return true
  end))
end

local function open(numbers)
  return support.open { recover = function()
    local file = assert(io.open(numbers, "r+"))
    write_number(file, 0, read_number(file, 1))
    file:close()
  end }
end

local function environment(name) return assert(os.getenv(name), name) end

local languages = {
  lua = function(lock, numbers, action, count)
    return support.fork(function()
      local m = open(numbers)
      for _ = 1, count or 1 do change(m, numbers, action == "die") end
      return lock == m:path() and 0 or 1
    end)
  end,
  c = function(...) return support.spawn(environment "SHMUTEX_WORKER", ...) end,
  ctypes = function(...)
    return support.spawn(environment "SHMUTEX_PYTHON", "-B", environment "SHMUTEX_TESTS" .. "/worker_ctypes.py",
                         environment "SHMUTEX_LIBRARY", ...)
  end,
}
local language_count = 3
if os.getenv "PYTHONPATH" then -- the Python module was built, too
  languages.python = function(...)
    return support.spawn(environment "SHMUTEX_PYTHON", "-B", environment "SHMUTEX_TESTS" .. "/worker.py", ...)
  end
  language_count = 4
end

local function new_numbers()
  local numbers = support.path "numbers"
  local file = assert(io.open(numbers, "w"))
  write_number(file, 0, 0)
  write_number(file, 1, 0)
  file:close()
  return numbers
end

local function sum(numbers)
  local file = assert(io.open(numbers))
  local first, second = read_number(file, 0), read_number(file, 1)
  file:close()
  unit.assertEquals(first, second)
  return first
end

function cases.test_languages_share_a_lock()
  local numbers = new_numbers()
  local workers = {}
  for _, start in pairs(languages) do
    for _ = 1, 2 do table.insert(workers, start(support.path(), numbers, "increment", "400")) end
  end
  for _, worker in ipairs(workers) do support.assert_succeeds(worker) end
  unit.assertEquals(sum(numbers), language_count * 2 * 400)
end

function cases.test_languages_repair_after_each_other()
  for dying, start in pairs(languages) do
    for surviving, succeed in pairs(languages) do
      local numbers = new_numbers()
      unit.assertEquals({ support.wait(start(support.path(), numbers, "die")) }, { "signal", support.SIGKILL }, dying)
      unit.assertEquals(shmutex.inspect(support.path()).state, "owner-died")
      support.assert_succeeds(succeed(support.path(), numbers, "increment", "10"))
      unit.assertEquals(sum(numbers), 10, dying .. ", then " .. surviving)
    end
  end
end

function cases.test_languages_are_killed_while_others_work()
  local numbers = new_numbers()
  local workers = {}
  for _, start in pairs(languages) do
    table.insert(workers, start(support.path(), numbers, "increment", "500"))
    table.insert(workers, start(support.path(), numbers, "increment", "500"))
  end
  for _ = 1, 5 do
    for _, start in pairs(languages) do
      unit.assertEquals({ support.wait(start(support.path(), numbers, "die")) }, { "signal", support.SIGKILL })
    end
  end
  for _, worker in ipairs(workers) do support.assert_succeeds(worker) end
  open(numbers):with(function() end) -- if the last one died when all others were done
  unit.assertEquals(sum(numbers), language_count * 2 * 500)
end

support.run(cases)
