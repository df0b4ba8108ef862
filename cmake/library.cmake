# SPDX-License-Identifier: Apache-2.0
# libito (shared and static) from all rooms, the generated version header, and what `cmake --install` places.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(ITO_MODELS_DIR ${CMAKE_INSTALL_FULL_DATADIR}/ito/models)

# ---- version.h
set(ITO_VERSION ${PROJECT_VERSION})
set(SOURCE ${PROJECT_SOURCE_DIR})
set(OUTPUT ${PROJECT_BINARY_DIR}/include/ito/version.h)
include(cmake/version.cmake)
add_custom_target(ito_version ALL
  COMMAND ${CMAKE_COMMAND} -DITO_VERSION=${PROJECT_VERSION} -DSOURCE=${SOURCE} -DOUTPUT=${OUTPUT}
          -P ${PROJECT_SOURCE_DIR}/cmake/version.cmake
  BYPRODUCTS ${OUTPUT}
  COMMENT "Checking the version")

# ito_libraries(room...): the targets `ito` and `ito_static`, and their installation.
function(ito_libraries)
  set(objects ${ARGN})
  list(TRANSFORM objects PREPEND ito_)

  add_library(ito SHARED)
  add_library(ito_static STATIC)
  target_link_libraries(ito PRIVATE ${objects})
  target_link_libraries(ito_static PRIVATE ${objects})
  set_target_properties(ito PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
    LINKER_LANGUAGE C)
  set_target_properties(ito_static PROPERTIES OUTPUT_NAME ito LINKER_LANGUAGE C)
  target_link_options(ito PRIVATE LINKER:--no-undefined)
  target_include_directories(ito INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

  install(TARGETS ito EXPORT ito LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(TARGETS ito_static ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(DIRECTORY include/ito DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
  install(FILES ${PROJECT_BINARY_DIR}/include/ito/version.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/ito)
  install(DIRECTORY recipes DESTINATION ${CMAKE_INSTALL_DATADIR}/ito)
  install(DIRECTORY models DESTINATION ${CMAKE_INSTALL_DATADIR}/ito OPTIONAL
    FILES_MATCHING PATTERN "*.safetensors" PATTERN "README.md")

  # pkg-config, by paths relative to ito.pc, so that an installation can move
  file(RELATIVE_PATH ITO_PC_TO_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
  string(REGEX REPLACE "/$" "" ITO_PC_TO_PREFIX ${ITO_PC_TO_PREFIX})
  get_property(libraries GLOBAL PROPERTY ITO_PRIVATE_LIBRARIES)
  list(REMOVE_DUPLICATES libraries)
  list(JOIN libraries " " ITO_PRIVATE_LIBRARIES)
  string(APPEND ITO_PRIVATE_LIBRARIES " ${OpenMP_C_FLAGS} -lm")
  configure_file(cmake/ito.pc.in ito.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/ito.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

  # find_package(ito) gives ito::ito
  set(config ${CMAKE_INSTALL_LIBDIR}/cmake/ito)
  install(EXPORT ito NAMESPACE ito:: FILE itoConfig.cmake DESTINATION ${config})
  write_basic_package_version_file(itoConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/itoConfigVersion.cmake DESTINATION ${config})
endfunction()
