# Most tests wait most of the time: `./dev test` runs twice as many as there are processors. Those that keep one busy
# (BUSY) count double.
set(SHMUTEX_BUSY_TEST 2)

# shmutex_add_gtest(NAME SOURCES file… [LIBRARIES target…] [TIMEOUT seconds] [LABELS label…] [BUSY])
# One program, one CTest test, linked against the shared library through the public header unless LIBRARIES says
# otherwise.
function(shmutex_add_gtest name)
  cmake_parse_arguments(arg "BUSY" "TIMEOUT" "SOURCES;LIBRARIES;LABELS" ${ARGN})
  if(NOT arg_LIBRARIES)
    set(arg_LIBRARIES shmutex::shmutex)
  endif()
  if(SHMUTEX_COVERAGE)
    list(PREPEND arg_LIBRARIES shmutex::static)  # one set of counters, in the program itself
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LIBRARIES} shmutex_test_support shmutex_warnings shmutex_sanitizers GTest::gtest)
  add_test(NAME ${name} COMMAND ${name})
  # A watchdog, not an expectation: nothing here asserts how long anything takes. 77: this machine cannot run it.
  set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}" SKIP_RETURN_CODE 77)
  if(arg_BUSY)
    set_tests_properties(${name} PROPERTIES PROCESSORS ${SHMUTEX_BUSY_TEST})
  endif()
endfunction()

# shmutex_add_c_test(NAME SOURCES file… [TIMEOUT seconds]): a plain C program; exit status 0 is success.
function(shmutex_add_c_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE shmutex::shmutex shmutex_warnings shmutex_sanitizers)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} SKIP_RETURN_CODE 77)
endfunction()
