# The library only, unless asked for more. CMakePresets.json asks for what developers want.
option(SHMUTEX_BUILD_TESTS "Build the tests (needs GoogleTest)" OFF)
option(SHMUTEX_BUILD_EXAMPLES "Build the examples" OFF)
option(SHMUTEX_BUILD_DEMO "Build the demo (./dev demo)" OFF)
option(SHMUTEX_BUILD_BENCH "Build the benchmark (needs libbenchmark-dev, libboost-dev)" OFF)
option(SHMUTEX_BUILD_PYTHON "Build the Python binding (needs SWIG)" OFF)
option(SHMUTEX_BUILD_LUA "Build the Lua binding (needs SWIG)" OFF)
option(SHMUTEX_INSTALL "Install the library with `cmake --install`" ${PROJECT_IS_TOP_LEVEL})
option(SHMUTEX_WERROR "Treat warnings as errors" OFF)
set(SHMUTEX_SANITIZE "" CACHE STRING "Sanitizers to build everything with, as -fsanitize= takes them")

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
endif()
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 99)
set(CMAKE_C_EXTENSIONS OFF)

# For our own targets: shmutex_warnings for all of them.
add_library(shmutex_warnings INTERFACE)
target_compile_options(shmutex_warnings INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow
                       $<$<BOOL:${SHMUTEX_WERROR}>:-Werror>)

option(SHMUTEX_COVERAGE "Count executed lines and branches (gcov); tests then link the static library" OFF)

add_library(shmutex_sanitizers INTERFACE)
if(SHMUTEX_COVERAGE)
  target_compile_options(shmutex_sanitizers INTERFACE --coverage -fprofile-update=atomic)
  target_link_options(shmutex_sanitizers INTERFACE --coverage)
endif()
if(SHMUTEX_SANITIZE)
  target_compile_options(shmutex_sanitizers INTERFACE -fsanitize=${SHMUTEX_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all)
  target_link_options(shmutex_sanitizers INTERFACE -fsanitize=${SHMUTEX_SANITIZE})
endif()
