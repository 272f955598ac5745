# What the lock's layout and the kernel's interface need. Anything else fails here, with a sentence, not later.
include(CheckCSourceCompiles)

# Older ones lack parts of C++20, or have never been tried.
foreach(least GNU:11 Clang:14)
  string(REPLACE ":" ";" least ${least})
  list(GET least 0 id)
  list(GET least 1 oldest)
  if(CMAKE_CXX_COMPILER_ID STREQUAL id AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS oldest)
    message(FATAL_ERROR "libshmutex needs g++ 11 or clang 14, or newer, to build, and ${CMAKE_CXX_COMPILER} is ${id} "
                        "${CMAKE_CXX_COMPILER_VERSION}. Name another one: CXX=/path/to/it, in a new build directory.")
  endif()
endforeach()

if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
  message(FATAL_ERROR "libshmutex needs Linux: its crash safety is the kernel's robust futexes (this is ${CMAKE_SYSTEM_NAME}).")
endif()
if(NOT CMAKE_SIZEOF_VOID_P EQUAL 8)
  message(FATAL_ERROR "libshmutex needs a 64-bit target: the robust list of 32-bit C libraries has another shape.")
endif()
if(NOT CMAKE_C_BYTE_ORDER STREQUAL "LITTLE_ENDIAN")
  message(FATAL_ERROR "libshmutex needs a little-endian target: it has been argued and tested for no other.")
endif()
if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64|aarch64|arm64)$")
  message(FATAL_ERROR "libshmutex runs on x86-64 and aarch64; its memory orders have been argued for no other "
                      "(this is ${CMAKE_SYSTEM_PROCESSOR}).")
endif()
check_c_source_compiles("#include <features.h>
#ifndef __GLIBC__
#error no glibc
#endif
int main(void) { return 0; }" SHMUTEX_HAS_GLIBC)
if(NOT SHMUTEX_HAS_GLIBC)
  message(FATAL_ERROR "libshmutex needs glibc: it joins the thread's robust list, which other C libraries (musl among them) "
                      "keep in another shape.")
endif()
check_c_source_compiles("#include <sys/single_threaded.h>
int main(void) { return __libc_single_threaded; }" SHMUTEX_HAS_GLIBC_2_32)
if(NOT SHMUTEX_HAS_GLIBC_2_32)
  message(FATAL_ERROR "libshmutex needs glibc 2.32 or newer.")
endif()
