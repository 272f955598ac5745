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
  unit.assertEquals(methods, { "close", "consistent", "guard", "info", "lock", "owned", "owner", "path", "poison",
                               "token", "trylock", "unlock", "with" })
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
end

function cases.test_bad_mode()
  for _, wrong in ipairs { 0, "0", "000", "0000", 600, -1, 1.5, 0 / 0, "8", "rw", "", "1777", "77777", true, {} } do
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
  assert_fails("EBADMSG", shmutex.inspect(path "text"))
  assert_fails("EBADMSG", shmutex.unlink(path "text"))
end

function cases.test_a_directory_and_a_symbolic_link()
  assert_fails("EINVAL", shmutex.open(path "."))
  os.execute("ln -s lock " .. path "link")
  assert_fails("ELOOP", shmutex.open(path "link"))
  assert_fails("ELOOP", shmutex.inspect(path "link"))
end

function cases.test_paths_that_lead_nowhere()
  write_file("text", "not a directory")
  assert_fails("ENOENT", shmutex.open(path "no/directory"))
  assert_fails("ENOTDIR", shmutex.open(path "text/lock"))
  assert_fails("ENAMETOOLONG", shmutex.open(path(("x"):rep(300))))
  assert_fails("EINVAL", shmutex.open "")
end

function cases.test_too_many_open_files()
  open() -- exists
  support.assert_succeeds(support.fork(function()
    support.process.limit_files(3)
    assert_fails("EMFILE", shmutex.open(path()))
  end))
end

-- What the library advises a C program to do is advised in Lua's words.
function cases.test_messages_speak_lua()
  local function assert_advice(code, advice, ...) unit.assertStrContains(assert_fails(code, ...), advice) end
  local m = open()
  assert_advice("EEXIST", "exists already. Leave exist = false out to open it", shmutex.open(path(), { exist = false }))
  assert_advice("ENOENT", "open it without exist = true.", shmutex.open(path "none", { exist = true }))
  assert_advice("EPROTOTYPE", "was asked for as fair. Ask for the same, or remove it with shmutex.unlink() first.",
                shmutex.open(path(), { fair = true }))
  m:lock()
  assert_advice("EDEADLK", "create it with recursive = true.", m:lock())
  m:unlock()
  support.die_inside(m)
  assert_advice("EOWNERDEAD", "Open the lock with a recover function, which repairs it.", m:lock())
  local poisoning = open { recover = function() return false end }
  assert_advice("ENOTRECOVERABLE", "remove the lock with shmutex.unlink(), and open it again.", poisoning:lock())
  local passed, message = pcall(m.guard, m)
  unit.assertIs(passed, false)
  support.assert_in_lua(message)
end

function cases.test_wrong_arguments_of_the_functions()
  for _, wrong in ipairs { {}, true, print, io.stdout } do
    unit.assertErrorMsgContains("string expected", shmutex.open, wrong)
    unit.assertErrorMsgContains("string expected", shmutex.inspect, wrong)
    unit.assertErrorMsgContains("string expected", shmutex.unlink, wrong)
  end
  unit.assertErrorMsgContains("string expected", shmutex.open)
  unit.assertErrorMsgContains("zero byte", shmutex.open, path() .. "\0x")
  unit.assertErrorMsgContains("table expected", shmutex.open, path(), true)
  unit.assertErrorMsgContains("no option 'recusive'", shmutex.open, path(), { recusive = true }) -- codespell:ignore
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

function cases.test_owner_in_another_process()
  local m = open()
  unit.assertEquals({ m:owner() }, {})
  unit.assertEquals(select("#", m:owner()), 1)
  local holder = support.fork_holder(m)
  unit.assertEquals({ m:owner() }, { holder, holder })
  support.kill(holder)
  unit.assertNil((m:owner()))
end

function cases.test_owner_token_depth()
  local m = open()
  local last = m:token()
  unit.assertEquals(type(last), math.type and "number" or "string")
  unit.assertEquals({ m:owner() }, {})
  unit.assertEquals(m:info().depth, 0)
  m:lock()
  unit.assertEquals({ m:owner() }, { support.process.getpid(), support.process.getpid() })
  unit.assertEquals(m:info().depth, 1)
  m:unlock()
  last = m:token()
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
    recoveries = 0, same_boot = true, same_pid_namespace = true, links = 1, kind = "mutex",
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

function cases.test_info_tells_of_waiters()
  local m = open()
  local before = support.process.now()
  m:lock()
  local waiters = {}
  for i = 1, 2 do
    waiters[i] = support.fork(function() return m:lock() and m:unlock() and 0 or 1 end)
    support.wait_until(function() return m:info().waiters == i end)
  end
  support.wait_until(function() return m:info().owner_since end)
  unit.assertTrue(m:info().owner_since >= before and m:info().owner_since <= support.process.now())
  m:unlock()
  for _, waiter in ipairs(waiters) do support.assert_succeeds(waiter) end
  unit.assertFalse(m:info().waiters)
  unit.assertNil(m:info().owner_since)
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
end

function cases.test_inspect_of_nothing()
  assert_fails("ENOENT", shmutex.inspect(path "none"))
  assert_fails("EINVAL", shmutex.inspect(path "."))
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
  shmutex.unlink(path())
  unit.assertEquals(tostring(m), "shmutex.Mutex (" .. path() .. ", retired)")
  m:close()
  unit.assertEquals(tostring(m), "shmutex.Mutex (" .. path() .. ", closed)")
  m = open()
  local holder = support.fork_holder(m)
  unit.assertEquals(tostring(m), "shmutex.Mutex (" .. path() .. ", held by process " .. holder .. ")")
end

-- Linux's numbers on x86-64 and aarch64.
function cases.test_errno()
  unit.assertEquals(shmutex.errno, {
    EPERM = 1, ENOENT = 2, EINTR = 4, EIO = 5, EAGAIN = 11, ENOMEM = 12, EACCES = 13, EFAULT = 14, EBUSY = 16,
    EEXIST = 17, EXDEV = 18, ENODEV = 19, ENOTDIR = 20, EINVAL = 22, ENFILE = 23, EMFILE = 24, EFBIG = 27,
    ENOSPC = 28, EROFS = 30, EMLINK = 31, EDEADLK = 35, ENAMETOOLONG = 36, ENOLCK = 37, ENOSYS = 38, ELOOP = 40,
    EIDRM = 43, EBADMSG = 74, EPROTOTYPE = 91, EPROTONOSUPPORT = 93, ENOTSUP = 95, ETIMEDOUT = 110,
    ESTALE = 116, EDQUOT = 122, EOWNERDEAD = 130, ENOTRECOVERABLE = 131,
  })
end

support.run(cases)
