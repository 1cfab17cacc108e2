# Headers and the CMake package, so that `find_package(vigie)` gives vigie::engine to a host in C or C++.
include(CMakePackageConfigHelpers)
install(DIRECTORY include/vigie DESTINATION ${VIGIE_INSTALL_INCLUDE} FILES_MATCHING PATTERN "*.h")
install(TARGETS vigie_engine EXPORT vigieTargets LIBRARY DESTINATION ${VIGIE_INSTALL_LIB})
install(EXPORT vigieTargets NAMESPACE vigie:: DESTINATION ${VIGIE_INSTALL_CMAKE})
configure_package_config_file(cmake/vigieConfig.cmake.in ${PROJECT_BINARY_DIR}/vigieConfig.cmake
                              INSTALL_DESTINATION ${VIGIE_INSTALL_CMAKE})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/vigieConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/vigieConfig.cmake ${PROJECT_BINARY_DIR}/vigieConfigVersion.cmake
        DESTINATION ${VIGIE_INSTALL_CMAKE})
