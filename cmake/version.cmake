# SPDX-License-Identifier: Apache-2.0
# Writes include/ito/version.h of the build folder, touching it only when its text changes: at configure time, and as
# a script (cmake -P) at every build, since commits come between two configurations.
#   in: ITO_VERSION, SOURCE (folder), OUTPUT (file)
set(ITO_VERSION_COMMIT "")
find_program(GIT git)
if(GIT AND EXISTS ${SOURCE}/.git)
  execute_process(
    COMMAND ${GIT} --no-optional-locks -C ${SOURCE} describe --always --dirty
    OUTPUT_VARIABLE ITO_VERSION_COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
set(ITO_VERSION_ONEDNN "")
find_file(ONEDNN_VERSION_HEADER dnnl_version.h PATH_SUFFIXES oneapi/dnnl PATHS /usr/include /usr/local/include)
if(ONEDNN_VERSION_HEADER)
  file(STRINGS ${ONEDNN_VERSION_HEADER} lines REGEX "#define DNNL_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+")
  list(TRANSFORM lines REPLACE "[^0-9]" "")
  list(JOIN lines "." ITO_VERSION_ONEDNN)
endif()
string(REPLACE "." ";" parts ${ITO_VERSION})
list(GET parts 0 ITO_VERSION_MAJOR)
list(GET parts 1 ITO_VERSION_MINOR)
list(GET parts 2 ITO_VERSION_PATCH)
configure_file(${SOURCE}/cmake/version.h.in ${OUTPUT} @ONLY)
