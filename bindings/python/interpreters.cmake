# What a Python interpreter says of itself: include directory, suffix of extension modules, where modules go.
set(python_questions "
import os, sys, sysconfig
prefix = sys.argv[1]
vars = {'base': prefix, 'platbase': prefix, 'installed_base': prefix}
print(sys.implementation.cache_tag)
print(sysconfig.get_path('include'))
print(sysconfig.get_config_var('EXT_SUFFIX'))
# Debian's Python would put local/ before it, since it expects the prefix to be /usr.
print(os.path.relpath(sysconfig.get_path('platlib', vars=vars), prefix).replace('local/lib', 'lib'))
assert sys.version_info >= (3, 8) and os.path.exists(os.path.join(sysconfig.get_path('include'), 'Python.h'))
")

# python_ask(interpreter): sets python_tag, python_include, python_suffix, python_platlib; python_tag is empty if it is
# not one that the binding can be built for.
function(python_ask interpreter)
  set(layout "")
  if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
    set(layout DEB_PYTHON_INSTALL_LAYOUT=deb) # packages of the distribution: python3/dist-packages
  endif()
  execute_process(COMMAND ${CMAKE_COMMAND} -E env ${layout} ${interpreter} -c "${python_questions}"
                          ${CMAKE_INSTALL_PREFIX}
                  RESULT_VARIABLE failed OUTPUT_VARIABLE answer ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
  set(python_tag "" PARENT_SCOPE)
  if(NOT failed)
    string(REPLACE "\n" ";" answer "${answer}")
    foreach(name tag include suffix platlib)
      list(POP_FRONT answer value)
      set(python_${name} "${value}" PARENT_SCOPE)
    endforeach()
  endif()
endfunction()

# python_find(result): every usable interpreter of this machine, one per version: the distribution's first.
function(python_find result)
  file(GLOB found /usr/bin/python3.[0-9] /usr/bin/python3.[0-9][0-9] /usr/local/bin/python3.[0-9][0-9]
       $ENV{HOME}/.pyenv/versions/3.*/bin/python3)
  find_program(python_on_path python3)
  set(interpreters "")
  set(tags "")
  foreach(candidate /usr/bin/python3 ${python_on_path} ${found})
    python_ask(${candidate})
    if(python_tag AND NOT python_tag IN_LIST tags)
      list(APPEND tags ${python_tag})
      list(APPEND interpreters ${candidate})
    endif()
  endforeach()
  set(${result} ${interpreters} PARENT_SCOPE)
endfunction()
