-- open() and its options, inspect(), unlink(), and what objects say of themselves.
local support = require "support"
local unit, shmutex = support.unit, support.shmutex
local open, path, assert_fails = support.open, support.path, support.assert_fails

local cases = {}

local function write_file(name, text)
  local file = assert(io.open(path(name), "w"))
  file:write(text)
  file:close()
end

local function permissions(name)
  local pipe = io.popen("stat -c %a " .. path(name))
  local text = pipe:read "*l"
  pipe:close()
  return text
end

function cases.test_version_is_the_headers()
  unit.assertEquals(shmutex._VERSION, "1.0.0")
end

function cases.test_the_module_is_clean()
  unit.assertNil(rawget(_G, "shmutex"))
  unit.assertNil(rawget(_G, "shmutex_swig"))
  unit.assertNil(rawget(_G, "swig_type"))
  unit.assertNil(rawget(_G, "swig_equals"))
  local names = {}
  for name in pairs(shmutex) do table.insert(names, name) end
  table.sort(names)
  unit.assertEquals(names, { "_VERSION", "errno", "inspect", "open", "unlink" })
  local methods = {}
  for name in pairs(getmetatable(open()).__index) do table.insert(methods, name) end
  table.sort(methods)
  unit.assertEquals(methods, { "close", "consistent", "guard", "info", "lock", "owned", "owner", "path", "poison", "token",
                               "trylock", "unlock", "with" })
end

function cases.test_default_mode()
  local m = open()
  unit.assertEquals(m:path(), path())
  unit.assertEquals(permissions(), "600")
end

function cases.test_mode_whatever_the_umask()
  -- 666 has bits that every usual umask takes away.
  open({ mode = tonumber("666", 8) }, "number")
  unit.assertEquals(permissions "number", "666")
  open({ mode = "664" }, "string")
  unit.assertEquals(permissions "string", "664")
  open({ mode = "0660" }, "zero")
  unit.assertEquals(permissions "zero", "660")
  for _, wrong in ipairs { 600, -1, 1.5, "8", "rw", "", "1777", "77777", true, {} } do
    unit.assertErrorMsgContains("option 'mode'", shmutex.open, path "wrong", { mode = wrong })
  end
  assert_fails("ENOENT", shmutex.inspect(path "wrong"))
end

function cases.test_exist()
  assert_fails("ENOENT", shmutex.open(path(), { exist = true }))
  local m = assert(shmutex.open(path(), { exist = false }))
  assert_fails("EEXIST", shmutex.open(path(), { exist = false }))
  local other = assert(shmutex.open(path(), { exist = true }))
  unit.assertIs(m:lock(), true)
  unit.assertIs(other:owned(), true)
end

function cases.test_other_attributes_than_the_lock_has()
  open { recursive = true }
  local message = assert_fails("EPROTOTYPE", shmutex.open(path()))
  unit.assertStrContains(message, "recursive")
  assert_fails("EPROTOTYPE", shmutex.open(path(), { recursive = true, fair = true }))
  unit.assertIsUserdata(shmutex.open(path(), { recursive = true, fair = false }))
end

function cases.test_what_is_not_a_lock()
  write_file("text", "not a lock")
  local message = assert_fails("EBADMSG", shmutex.open(path "text"))
  unit.assertStrContains(message, path "text")
  assert_fails("ENOENT", shmutex.open(path "no/directory"))
  assert_fails("EINVAL", shmutex.open(path "."))
  assert_fails("EINVAL", shmutex.open "")
  os.execute("ln -s lock " .. path "link")
  assert_fails("ELOOP", shmutex.open(path "link"))
end

function cases.test_wrong_arguments()
  for _, wrong in ipairs { {}, true, print, io.stdout } do
    unit.assertErrorMsgContains("string expected", shmutex.open, wrong)
    unit.assertErrorMsgContains("string expected", shmutex.inspect, wrong)
    unit.assertErrorMsgContains("string expected", shmutex.unlink, wrong)
  end
  unit.assertErrorMsgContains("string expected", shmutex.open)
  unit.assertErrorMsgContains("zero byte", shmutex.open, path() .. "\0x")
  unit.assertErrorMsgContains("table expected", shmutex.open, path(), true)
  unit.assertErrorMsgContains("no option 'recusive'", shmutex.open, path(), { recusive = true })
  unit.assertErrorMsgContains("no option", shmutex.open, path(), { "recursive" })
  unit.assertErrorMsgContains("boolean expected", shmutex.open, path(), { recursive = 1 })
  unit.assertErrorMsgContains("boolean expected", shmutex.open, path(), { fair = "yes" })
  unit.assertErrorMsgContains("boolean expected", shmutex.open, path(), { exist = 0 })
  unit.assertErrorMsgContains("function expected", shmutex.open, path(), { recover = {} })
  assert_fails("ENOENT", shmutex.inspect(path()))
end

function cases.test_methods_refuse_other_objects()
  local m = open()
  for name, method in pairs(getmetatable(m).__index) do
    for _, wrong in ipairs { 1, "m", {}, print, io.stdout, coroutine.create(function() end) } do
      unit.assertErrorMsgContains("shmutex.Mutex expected", method, wrong)
    end
    unit.assertError(method)
    unit.assertIs(m:owned(), false, name)
  end
  for name, method in pairs(getmetatable(m)) do
    if type(method) == "function" then unit.assertError(method, io.stdout) unit.assertError(method, nil, name) end
  end
  unit.assertIs(m == io.stdout, false)
  unit.assertIs(m == m, true)
  unit.assertError(function() m.field = 1 end)
  unit.assertNil(m.field)
end

function cases.test_additional_arguments_are_ignored()
  local m = open()
  unit.assertIs(m:owned("x", nil), false)
  unit.assertIs(m:trylock(1, 2), true)
  unit.assertIs(m:unlock {}, true)
end

function cases.test_owner()
  local m = open()
  unit.assertEquals({ m:owner() }, {})
  unit.assertEquals(select("#", m:owner()), 1)
  m:lock()
  unit.assertEquals({ m:owner() }, { support.process.getpid(), support.process.getpid() })
  m:unlock()
  local holder = support.fork_holder(m)
  unit.assertEquals({ m:owner() }, { holder, holder })
  support.kill(holder)
  unit.assertNil((m:owner()))
end

function cases.test_token()
  local m = open()
  local last = m:token()
  unit.assertEquals(type(last), math.type and "number" or "string")
  for _ = 1, 1000 do
    m:lock()
    unit.assertTrue(m:token() > last)
    last = m:token()
    m:unlock()
    unit.assertEquals(m:token(), last)
  end
  shmutex.unlink(path())
  local again = open()
  again:lock()
  unit.assertTrue(again:token() > last)
end

function cases.test_info()
  local m = open { recursive = true }
  local found = m:info()
  unit.assertEquals(found, {
    state = "free", recursive = true, fair = false, waiters = false, depth = 0, token = found.token, contended = 0,
    recoveries = 0, same_boot = true, same_pid_namespace = true, links = 1,
  })
  m:lock()
  m:lock()
  found = m:info()
  unit.assertEquals(found.state, "held")
  unit.assertEquals(found.depth, 2)
  unit.assertEquals(found.owner_pid, support.process.getpid())
  unit.assertEquals(found.owner_tid, support.process.getpid())
  m:unlock()
  m:unlock()
  local holder = support.fork_holder(m)
  support.kill(holder)
  unit.assertEquals(m:info().state, "owner-died")
end

function cases.test_info_of_a_dead_owner()
  local m = open { recover = function() end }
  local holder = support.fork_holder(m)
  support.kill(holder)
  m:lock()
  unit.assertEquals(m:info().last_dead_tid, holder)
end

function cases.test_inspect()
  local m = open { fair = true }
  m:lock()
  local found = shmutex.inspect(path())
  unit.assertEquals(found.state, "held")
  unit.assertIs(found.fair, true)
  unit.assertEquals(found.owner_pid, support.process.getpid())
  assert_fails("ENOENT", shmutex.inspect(path "none"))
  write_file("text", "not a lock")
  assert_fails("EBADMSG", shmutex.inspect(path "text"))
end

function cases.test_unlink()
  local m = open()
  m:lock()
  assert_fails("EBUSY", shmutex.unlink(path()))
  m:unlock()
  unit.assertIs(shmutex.unlink(path()), true)
  assert_fails("ENOENT", shmutex.unlink(path()))
  unit.assertEquals(m:info().state, "retired")
  assert_fails("EIDRM", m:lock())
  assert_fails("EIDRM", m:trylock())
  local again = open()
  unit.assertIs(again:lock(), true)
  assert_fails("EIDRM", m:lock())
end

function cases.test_poisoned_while_waiting()
  local m = open()
  m:lock()
  local waiter = support.fork(function()
    return select(3, m:lock()) == shmutex.errno.ENOTRECOVERABLE and 0 or 1
  end)
  support.wait_until_asleep(waiter)
  m:poison()
  m:unlock()
  support.assert_succeeds(waiter)
end

function cases.test_tostring()
  local m = open { recover = function() return false end }
  unit.assertEquals(tostring(m), "shmutex.Mutex (" .. path() .. ", free)")
  m:lock()
  unit.assertEquals(tostring(m), "shmutex.Mutex (" .. path() .. ", held by process " .. support.process.getpid() .. ")")
  m:unlock()
  support.die_inside(m)
  unit.assertEquals(tostring(m), "shmutex.Mutex (" .. path() .. ", owner-died)")
  m:lock()
  unit.assertEquals(tostring(m), "shmutex.Mutex (" .. path() .. ", poisoned)")
  m:close()
  unit.assertEquals(tostring(m), "shmutex.Mutex (" .. path() .. ", closed)")
end

function cases.test_constants()
  local expected = { EPERM = 1, EBUSY = 16, EDEADLK = 35, ETIMEDOUT = 110, EIDRM = 43, EOWNERDEAD = 130, ENOTRECOVERABLE = 131 }
  for name, number in pairs(expected) do unit.assertEquals(shmutex.errno[name], number) end
  unit.assertNil(shmutex.errno.ENOSUCH)
end

support.run(cases)
