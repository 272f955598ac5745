# What `cmake --install` puts where, by component: runtime (the shared library), development (headers, static library,
# what CMake and pkg-config read), documentation (manual pages); python and lua are in bindings/.
include(CMakePackageConfigHelpers)

set(libraries shmutex)
if(NOT DEFINED BUILD_SHARED_LIBS)
  list(APPEND libraries shmutex_static)
endif()
install(TARGETS ${libraries} EXPORT shmutex-targets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT development
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(DIRECTORY capi/include/shmutex DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/shmutex)
install(EXPORT shmutex-targets NAMESPACE shmutex:: DESTINATION ${package_dir} COMPONENT development)
configure_package_config_file(cmake/shmutex-config.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/shmutex-config.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/shmutex-config-version.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/shmutex-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/shmutex-config-version.cmake
        DESTINATION ${package_dir} COMPONENT development)

# The prefix is where the .pc file lies: right for every `cmake --install --prefix`, and for a tree that was moved. Only
# an absolute library directory says nothing of the prefix.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(pc_prefix "${CMAKE_INSTALL_PREFIX}")
else()
  file(RELATIVE_PATH pc_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
  string(REGEX REPLACE "/$" "" pc_prefix "\${pcfiledir}/${pc_prefix}")
endif()
foreach(directory LIBDIR INCLUDEDIR)
  set(pc_${directory} "${CMAKE_INSTALL_${directory}}")
  if(NOT IS_ABSOLUTE "${pc_${directory}}")
    string(PREPEND pc_${directory} "\${prefix}/")
  endif()
endforeach()
configure_file(pkgconfig/shmutex.pc.in ${CMAKE_CURRENT_BINARY_DIR}/shmutex.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/shmutex.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

foreach(section 3 5 7)
  file(GLOB pages CONFIGURE_DEPENDS docs/man/*.${section})
  if(pages)
    install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section} COMPONENT documentation)
  endif()
endforeach()

if(PROJECT_IS_TOP_LEVEL)
  add_custom_target(uninstall COMMAND ${CMAKE_COMMAND} -D BUILD=${CMAKE_CURRENT_BINARY_DIR}
                                      -P ${CMAKE_CURRENT_SOURCE_DIR}/cmake/Uninstall.cmake VERBATIM)
endif()
