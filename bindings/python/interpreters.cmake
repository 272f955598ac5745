# What a Python interpreter says of itself: why the binding cannot be built for it, its tag, include directory, suffix
# of extension modules, where modules go.
set(python_questions "
import os, sys, sysconfig
prefix = sys.argv[1]
vars = {'base': prefix, 'platbase': prefix, 'installed_base': prefix}
if sys.implementation.name != 'cpython' or sys.version_info < (3, 8):
    print('is not CPython 3.8 or newer')
elif sysconfig.get_config_var('Py_GIL_DISABLED'):
    print('is a free-threaded build, which is not supported: use a build with the GIL')
elif not os.path.exists(os.path.join(sysconfig.get_path('include'), 'Python.h')):
    print('has no headers (Debian: python3-dev)')
else:
    print('')
print(sys.implementation.cache_tag)
print(sysconfig.get_path('include'))
print(sysconfig.get_config_var('EXT_SUFFIX'))
# Debian's Python would put local/ before it, since it expects the prefix to be /usr.
print(os.path.relpath(sysconfig.get_path('platlib', vars=vars), prefix).replace('local/lib', 'lib'))
")

# python_ask(interpreter): sets python_tag, python_include, python_suffix, python_platlib, and python_refusal: empty, or
# why it is not one that the binding can be built for.
function(python_ask interpreter)
  set(layout "")
  if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
    set(layout DEB_PYTHON_INSTALL_LAYOUT=deb) # packages of the distribution: python3/dist-packages
  endif()
  execute_process(COMMAND ${CMAKE_COMMAND} -E env ${layout} ${interpreter} -c "${python_questions}"
                          ${CMAKE_INSTALL_PREFIX}
                  RESULT_VARIABLE failed OUTPUT_VARIABLE answer ERROR_QUIET)
  if(failed)
    set(python_refusal "is not a Python interpreter that runs" PARENT_SCOPE)
    return()
  endif()
  string(REPLACE "\n" ";" answer "${answer}")
  foreach(name refusal tag include suffix platlib)
    list(POP_FRONT answer value)
    set(python_${name} "${value}" PARENT_SCOPE)
  endforeach()
endfunction()

# python_find(result): every usable interpreter of this machine, one per version: the distribution's first.
function(python_find result)
  set(found "")
  foreach(place /usr/bin /usr/local/bin)
    file(GLOB here ${place}/python3.[0-9] ${place}/python3.[0-9][0-9])
    list(APPEND found ${here})
  endforeach()
  find_program(python_on_path python3 NO_CACHE)
  file(GLOB of_pyenv $ENV{HOME}/.pyenv/versions/3.*/bin/python3 $ENV{PYENV_ROOT}/versions/3.*/bin/python3)
  set(interpreters "")
  set(tags "")
  foreach(candidate /usr/bin/python3 ${found} ${python_on_path} ${of_pyenv})
    if(NOT EXISTS ${candidate})
      continue()
    endif()
    python_ask(${candidate})
    if(python_refusal)
      message(STATUS "Python binding: not for ${candidate}, which ${python_refusal}")
    elseif(NOT python_tag IN_LIST tags)
      list(APPEND tags ${python_tag})
      list(APPEND interpreters ${candidate})
    endif()
  endforeach()
  if(NOT interpreters)
    message(FATAL_ERROR "There is no Python to build the binding for: install python3-dev, or set SHMUTEX_PYTHON.")
  endif()
  set(${result} ${interpreters} PARENT_SCOPE)
endfunction()
