/* What tests need of the operating system, for every Lua alike: real processes and threads, memory that they share,
 * signals, and a watchdog. A Lua module. */
#include <dirent.h>
#include <errno.h>
#include <lauxlib.h>
#include <linux/futex.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int fail(lua_State *L, const char *what) { return luaL_error(L, "%s: %s", what, strerror(errno)); }

/* fork(f): the child runs f() and exits with the number that it returns, or 0; 99 if it raises. It dies with its
 * parent. */
static int process_fork(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  fflush(NULL);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) return fail(L, "fork");
  if (child > 0) {
    lua_pushinteger(L, child);
    return 1;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(98);
  lua_settop(L, 1);
  if (lua_pcall(L, 0, 1, 0) != 0) {
    fprintf(stderr, "in a child: %s\n", lua_tostring(L, -1));
    _exit(99);
  }
  fflush(NULL);
  _exit((int)lua_tointeger(L, -1));
}

/* spawn(program, argument …): its output goes where ours goes. */
static int process_spawn(lua_State *L) {
  enum { most = 16 };
  char *arguments[most + 1];
  const int count = lua_gettop(L);
  if (count < 1 || count > most) return luaL_error(L, "spawn: 1 to %d arguments", most);
  for (int i = 0; i < count; ++i) arguments[i] = (char *)(uintptr_t)luaL_checkstring(L, i + 1);
  arguments[count] = NULL;
  fflush(NULL);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) return fail(L, "fork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent) execvp(arguments[0], arguments);
    _exit(97);
  }
  lua_pushinteger(L, child);
  return 1;
}

static int process_kill(lua_State *L) {
  if (kill((pid_t)luaL_checkinteger(L, 1), (int)luaL_checkinteger(L, 2)) != 0) return fail(L, "kill");
  return 0;
}

/* wait(pid): "exit", status; or "signal", number */
static int process_wait(lua_State *L) {
  int status = 0;
  while (waitpid((pid_t)luaL_checkinteger(L, 1), &status, 0) < 0) {
    if (errno != EINTR) return fail(L, "waitpid");
  }
  lua_pushstring(L, WIFSIGNALED(status) ? "signal" : "exit");
  lua_pushinteger(L, WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
  return 2;
}

/* state(pid or tid): the state letter of /proc/…/stat; nil: there is no such thread */
static int process_state(lua_State *L) {
  char text[512];
  snprintf(text, sizeof text, "/proc/%ld/stat", (long)luaL_checkinteger(L, 1));
  FILE *const file = fopen(text, "r");
  if (file == NULL) return 0;
  const size_t length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[length] = '\0';
  const char *const name_end = strrchr(text, ')');
  if (name_end == NULL) return 0;
  lua_pushlstring(L, name_end + 2, 1);
  return 1;
}

static int process_sleep(lua_State *L) {
  const lua_Number seconds = luaL_checknumber(L, 1);
  struct timespec left = {.tv_sec = (time_t)seconds};
  left.tv_nsec = (long)((seconds - (lua_Number)left.tv_sec) * 1e9);
  nanosleep(&left, NULL); /* a signal ends it, as it ends a sleep elsewhere */
  return 0;
}

static int process_now(lua_State *L) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  lua_pushnumber(L, (lua_Number)now.tv_sec + (lua_Number)now.tv_nsec / 1e9);
  return 1;
}

static int process_getpid(lua_State *L) {
  lua_pushinteger(L, getpid());
  return 1;
}

/* descriptors(): how many this process has open */
static int process_descriptors(lua_State *L) {
  DIR *const directory = opendir("/proc/self/fd");
  if (directory == NULL) return fail(L, "opendir");
  lua_Integer count = 0;
  while (readdir(directory) != NULL) ++count;
  closedir(directory);
  lua_pushinteger(L, count);
  return 1;
}

/* threads_in_fair_waits(): how many threads of this process sleep in FUTEX_LOCK_PI, which is how one waits for a fair
 * lock */
static bool is_in_fair_wait(const char *tid) {
  char path[300];
  long number = 0;
  unsigned long address = 0;
  unsigned long operation = 0;
  snprintf(path, sizeof path, "/proc/self/task/%s/syscall", tid);
  FILE *const file = fopen(path, "r");
  if (file == NULL) return false;
  const int count = fscanf(file, "%ld 0x%lx 0x%lx", &number, &address, &operation); /* "running": 0 */
  fclose(file);
  operation &= 0x7f; /* without FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME */
  return count == 3 && number == SYS_futex && (operation == FUTEX_LOCK_PI || operation == FUTEX_LOCK_PI2);
}

static int process_threads_in_fair_waits(lua_State *L) {
  DIR *const directory = opendir("/proc/self/task");
  if (directory == NULL) return fail(L, "opendir");
  lua_Integer count = 0;
  for (const struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
    if (entry->d_name[0] != '.' && is_in_fair_wait(entry->d_name)) ++count;
  }
  closedir(directory);
  lua_pushinteger(L, count);
  return 1;
}

/* resident(): how many bytes of memory this process has in use */
static int process_resident(lua_State *L) {
  long size = 0;
  long resident = 0;
  FILE *const file = fopen("/proc/self/statm", "r");
  if (file == NULL || fscanf(file, "%ld %ld", &size, &resident) != 2) return fail(L, "/proc/self/statm");
  fclose(file);
  lua_pushnumber(L, (lua_Number)resident * (lua_Number)sysconf(_SC_PAGESIZE));
  return 1;
}

static int process_chdir(lua_State *L) {
  if (chdir(luaL_checkstring(L, 1)) != 0) return fail(L, "chdir");
  return 0;
}

/* limit_files(n): how many descriptors this process may have open */
static int process_limit_files(lua_State *L) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return fail(L, "getrlimit");
  limit.rlim_cur = (rlim_t)luaL_checkinteger(L, 1);
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return fail(L, "setrlimit");
  return 0;
}

static int process_mkdtemp(lua_State *L) {
  char path[] = "/dev/shm/shmutex-lua-XXXXXX";
  if (mkdtemp(path) == NULL) return fail(L, "mkdtemp");
  lua_pushstring(L, path);
  return 1;
}

/* shared(): 16 integers that processes forked later share; all 0. s(i): reads; s(i, n): adds n, and returns the sum. */
enum { slots = 16 };

static int shared_call(lua_State *L) {
  int64_t *const *const memory = (int64_t *const *)luaL_checkudata(L, 1, "process.shared");
  const lua_Integer index = luaL_checkinteger(L, 2);
  luaL_argcheck(L, index >= 1 && index <= slots, 2, "no such slot");
  const int64_t addend = (int64_t)luaL_optinteger(L, 3, 0);
  lua_pushinteger(L, (lua_Integer)__atomic_add_fetch(&(*memory)[index - 1], addend, __ATOMIC_SEQ_CST));
  return 1;
}

static int process_shared(lua_State *L) {
  int64_t **const memory = (int64_t **)lua_newuserdata(L, sizeof *memory);
  void *const mapped = mmap(NULL, slots * sizeof **memory, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return fail(L, "mmap");
  *memory = (int64_t *)mapped;
  if (luaL_newmetatable(L, "process.shared") != 0) {
    lua_pushcfunction(L, shared_call);
    lua_setfield(L, -2, "__call");
  }
  lua_setmetatable(L, -2);
  return 1;
}

static void do_nothing(int number) { (void)number; }

/* handle(number): a handler that does nothing */
static int process_handle(lua_State *L) {
  struct sigaction action = {.sa_handler = do_nothing};
  if (sigaction((int)luaL_checkinteger(L, 1), &action, NULL) != 0) return fail(L, "sigaction");
  return 0;
}

static char running[256];

static void on_alarm(int number) {
  static const char message[] = "\nWATCHDOG: this test hangs: ";
  (void)number;
  (void)!write(STDERR_FILENO, message, sizeof message - 1);
  (void)!write(STDERR_FILENO, running, strlen(running));
  (void)!write(STDERR_FILENO, "\n", 1);
  abort();
}

/* watchdog(name, seconds): ends this process then, by name; 0: calls it off */
static int process_watchdog(lua_State *L) {
  snprintf(running, sizeof running, "%s", luaL_checkstring(L, 1));
  signal(SIGALRM, on_alarm);
  alarm((unsigned)luaL_checkinteger(L, 2));
  return 0;
}

/* thread(code, argument): runs the code in a Lua state of its own in a new thread, with the same search paths; the
 * argument is its `...`. thread:join() returns what it returned, as a string; or nil and its error. */
struct thread {
  pthread_t id;
  lua_State *state;
  bool failed;
};

static void *run_thread(void *argument) {
  struct thread *const thread = (struct thread *)argument;
  thread->failed = lua_pcall(thread->state, 1, 1, 0) != 0;
  return NULL;
}

static void copy_search_path(lua_State *from, lua_State *to, const char *name) {
  lua_getglobal(from, "package");
  lua_getfield(from, -1, name);
  lua_getglobal(to, "package");
  lua_pushstring(to, lua_tostring(from, -1));
  lua_setfield(to, -2, name);
  lua_pop(to, 1);
  lua_pop(from, 2);
}

static int thread_join(lua_State *L) {
  struct thread *const thread = (struct thread *)luaL_checkudata(L, 1, "process.thread");
  if (thread->state == NULL) return luaL_error(L, "joined already");
  pthread_join(thread->id, NULL);
  if (thread->failed) lua_pushnil(L);
  lua_pushstring(L, lua_tostring(thread->state, -1));
  lua_close(thread->state);
  thread->state = NULL;
  return thread->failed ? 2 : 1;
}

static int process_thread(lua_State *L) {
  const char *const code = luaL_checkstring(L, 1);
  const char *const argument = luaL_optstring(L, 2, "");
  struct thread *const thread = (struct thread *)lua_newuserdata(L, sizeof *thread);
  thread->failed = false;
  thread->state = luaL_newstate();
  if (thread->state == NULL) return luaL_error(L, "no memory for a Lua state");
  luaL_openlibs(thread->state);
  copy_search_path(L, thread->state, "path");
  copy_search_path(L, thread->state, "cpath");
  if (luaL_loadstring(thread->state, code) != 0) return luaL_error(L, "%s", lua_tostring(thread->state, -1));
  lua_pushstring(thread->state, argument);
  if (luaL_newmetatable(L, "process.thread") != 0) {
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, thread_join);
    lua_setfield(L, -2, "join");
  }
  lua_setmetatable(L, -2);
  if (pthread_create(&thread->id, NULL, run_thread, thread) != 0) return luaL_error(L, "pthread_create failed");
  return 1;
}

int luaopen_process(lua_State *L);

int luaopen_process(lua_State *L) {
  static const luaL_Reg functions[] = {{"fork", process_fork},
                                       {"spawn", process_spawn},
                                       {"kill", process_kill},
                                       {"wait", process_wait},
                                       {"state", process_state},
                                       {"sleep", process_sleep},
                                       {"now", process_now},
                                       {"getpid", process_getpid},
                                       {"descriptors", process_descriptors},
                                       {"mkdtemp", process_mkdtemp},
                                       {"shared", process_shared},
                                       {"handle", process_handle},
                                       {"watchdog", process_watchdog},
                                       {"thread", process_thread},
                                       {"resident", process_resident},
                                       {"chdir", process_chdir},
                                       {"limit_files", process_limit_files},
                                       {"threads_in_fair_waits", process_threads_in_fair_waits}};
  lua_newtable(L);
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; ++i) {
    lua_pushcfunction(L, functions[i].func);
    lua_setfield(L, -2, functions[i].name);
  }
  return 1;
}
