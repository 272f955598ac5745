# Configures and builds the library for aarch64, warnings being errors, and looks at what came out.
file(REMOVE_RECURSE ${BINARY})
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "failed: ${ARGN}")
  endif()
endfunction()
run(${CMAKE_COMMAND} -S ${SOURCE} -B ${BINARY} -G Ninja -D CMAKE_SYSTEM_NAME=Linux -D CMAKE_SYSTEM_PROCESSOR=aarch64
    -D CMAKE_C_COMPILER=${CC} -D CMAKE_CXX_COMPILER=${CXX} -D SHMUTEX_WERROR=ON)
run(${CMAKE_COMMAND} --build ${BINARY})
# What the layout and the interface promise in numbers, and the part of the crash tests that knows the processor.
foreach(file tests/core/layout_format_one.cpp tests/abi/constants.cpp tests/support/ptrace.cpp)
  run(${CXX} -std=c++20 -Wall -Wextra -Werror -I ${SOURCE}/core -I ${SOURCE}/capi/include -I ${SOURCE}/tests -c ${SOURCE}/${file}
      -o ${BINARY}/checked.o)
endforeach()
execute_process(COMMAND readelf -h ${BINARY}/capi/libshmutex.so OUTPUT_VARIABLE header)
if(NOT header MATCHES "AArch64")
  message(FATAL_ERROR "not a library for aarch64: ${header}")
endif()
