include(CMakePackageConfigHelpers)

install(TARGETS shmutex shmutex_static EXPORT shmutex-targets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY capi/include/shmutex DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT shmutex-targets NAMESPACE shmutex:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/shmutex)
configure_package_config_file(cmake/shmutex-config.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/shmutex-config.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/shmutex)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/shmutex-config-version.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/shmutex-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/shmutex-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/shmutex)
# Written when installing: only then is the prefix known for certain (cmake --install --prefix).
foreach(variable CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR PROJECT_DESCRIPTION PROJECT_VERSION)
  install(CODE "set(${variable} [[${${variable}}]])")
endforeach()
install(CODE "configure_file([[${CMAKE_CURRENT_SOURCE_DIR}/pkgconfig/shmutex.pc.in]] [[${CMAKE_CURRENT_BINARY_DIR}/shmutex.pc]] @ONLY)")
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/shmutex.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

file(GLOB man3 CONFIGURE_DEPENDS docs/man/*.3)
file(GLOB man7 CONFIGURE_DEPENDS docs/man/*.7)
if(man3)
  install(FILES ${man3} DESTINATION ${CMAKE_INSTALL_MANDIR}/man3)
endif()
if(man7)
  install(FILES ${man7} DESTINATION ${CMAKE_INSTALL_MANDIR}/man7)
endif()
