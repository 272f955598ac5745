# A build tool and compilers, looked for before project(): CMake's own words for a missing one do not say what to
# install. What is named with -D, by a toolchain file or by a project around this one is left to CMake.
if(CMAKE_GENERATOR STREQUAL "Unix Makefiles" AND NOT CMAKE_MAKE_PROGRAM)
  find_program(make NAMES gmake make smake NO_CACHE)
  if(NOT make)
    message(FATAL_ERROR "libshmutex needs make or ninja to build, and there is no make on PATH. Install one (Debian, Ubuntu: "
                        "apt install make); for ninja, configure with -G Ninja.")
  endif()
  unset(make)
endif()

# shmutex_require_compiler(NAME language environment package program…)
function(shmutex_require_compiler name language environment package)
  if(CMAKE_${language}_COMPILER OR CMAKE_TOOLCHAIN_FILE OR DEFINED ENV{CMAKE_TOOLCHAIN_FILE})
    return()
  endif()
  set(programs ${ARGN})
  if(NOT "$ENV{${environment}}" STREQUAL "")
    separate_arguments(programs UNIX_COMMAND "$ENV{${environment}}") # flags may follow
    list(SUBLIST programs 0 1 programs)
  endif()
  find_program(compiler NAMES ${programs} NO_CACHE)
  if(NOT compiler)
    list(JOIN programs ", " programs)
    message(FATAL_ERROR "libshmutex needs a ${name} compiler to build, and none is on PATH (${programs}). Install one (Debian, "
                        "Ubuntu: apt install ${package}), or say where it is: ${environment}=/path/to/it.")
  endif()
endfunction()

# CMake's own lists of names, less those of other systems.
shmutex_require_compiler(C C CC gcc cc gcc icx clang)
shmutex_require_compiler(C++ CXX CXX g++ c++ CC g++ icpx icx clang++)
