# SPDX-License-Identifier: Apache-2.0
# Rooms (folders of src/) are object libraries; programs and tests name the rooms that they need.
find_package(PkgConfig REQUIRED)
if(NOT ITO_FUZZ)
  find_package(OpenMP REQUIRED COMPONENTS C)
endif()

add_library(ito_flags INTERFACE)
target_include_directories(ito_flags INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_BINARY_DIR}/include ${PROJECT_SOURCE_DIR}/src)
target_compile_definitions(ito_flags INTERFACE _POSIX_C_SOURCE=200809L)
target_compile_options(ito_flags INTERFACE -Wall -Wextra -Wshadow -Wvla -Wdouble-promotion -Wstrict-prototypes
  -Wmissing-prototypes -Wconversion -Wno-sign-conversion -fvisibility=hidden $<$<BOOL:${ITO_WERROR}>:-Werror>)
target_link_libraries(ito_flags INTERFACE m)
if(ITO_SANITIZE)
  target_compile_options(ito_flags INTERFACE -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(ito_flags INTERFACE -fsanitize=address,undefined)
endif()
if(ITO_FUZZ)
  target_compile_definitions(ito_flags INTERFACE ITO_FUZZ) # checksums do not count: src/formats/checksums.h
  target_compile_options(ito_flags INTERFACE -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
    -fno-omit-frame-pointer -w) # clang's view of warnings is not the project's
  target_link_options(ito_flags INTERFACE -fsanitize=address,undefined)
  target_link_libraries(ito_flags INTERFACE gomp) # code that asks for the number of threads, and oneDNN
elseif(ITO_SANITIZE_THREADS) # without OpenMP: its runtime is not instrumented, so each of its barriers would look like a race
  target_compile_options(ito_flags INTERFACE -fsanitize=thread -Wno-unknown-pragmas)
  target_link_options(ito_flags INTERFACE -fsanitize=thread)
else()
  target_link_libraries(ito_flags INTERFACE OpenMP::OpenMP_C)
endif()

# ito_room(name SOURCES file... USES room... LIBRARIES target...)
function(ito_room name)
  cmake_parse_arguments(ARG "" "" "SOURCES;USES;LIBRARIES" ${ARGN})
  add_library(ito_${name} OBJECT ${ARG_SOURCES})
  set_target_properties(ito_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_link_libraries(ito_${name} PUBLIC ito_flags ${ARG_LIBRARIES})
  foreach(library IN LISTS ARG_LIBRARIES) # remembered as linker words for ito.pc
    if(library MATCHES "^PkgConfig::(.*)$")
      set(words ${${CMAKE_MATCH_1}_LIBRARIES})
    else()
      string(REGEX REPLACE "^.*/lib|\\.(so|a)$" "" words ${library})
    endif()
    list(TRANSFORM words PREPEND -l)
    set_property(GLOBAL APPEND PROPERTY ITO_PRIVATE_LIBRARIES ${words})
  endforeach()
  set(closure ${name})
  foreach(used IN LISTS ARG_USES)
    get_property(more GLOBAL PROPERTY ITO_CLOSURE_${used})
    list(APPEND closure ${more})
  endforeach()
  list(REMOVE_DUPLICATES closure)
  set_property(GLOBAL PROPERTY ITO_CLOSURE_${name} ${closure})
endfunction()

# ito_every_isa(stem OPTIONS option...): stem_plain.c, stem_avx2.c and stem_avx512.c of this room are one source for three
# instruction sets, of which the library chooses at run time.
function(ito_every_isa stem)
  cmake_parse_arguments(ARG "" "" "OPTIONS" ${ARGN})
  set(common -O3 -fopenmp-simd -fno-math-errno -fno-trapping-math ${ARG_OPTIONS})
  set(avx2 -march=x86-64-v3)
  set(avx512 -march=x86-64-v4 -mprefer-vector-width=512)
  foreach(isa plain avx2 avx512)
    set(options ${common})
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64|AMD64")
      list(APPEND options ${${isa}})
    endif()
    list(JOIN options " " flags)
    # As flags, not options: these come after those of the build type.
    set_source_files_properties(${stem}_${isa}.c PROPERTIES COMPILE_FLAGS "${flags}")
  endforeach()
endfunction()

# ito_link_rooms(target room...): links the rooms and all rooms that they use.
function(ito_link_rooms target)
  foreach(room IN LISTS ARGN)
    get_property(closure GLOBAL PROPERTY ITO_CLOSURE_${room})
    list(APPEND all ${closure})
  endforeach()
  list(REMOVE_DUPLICATES all)
  list(TRANSFORM all PREPEND ito_)
  target_link_libraries(${target} PRIVATE ${all})
endfunction()

# ito_walls_test(room...): no file includes across the walls that USES draws.
function(ito_walls_test)
  foreach(room IN LISTS ARGN)
    get_property(closure GLOBAL PROPERTY ITO_CLOSURE_${room})
    list(JOIN closure "," closure)
    list(APPEND rules ${room}:${closure})
  endforeach()
  add_test(NAME walls COMMAND ${PROJECT_SOURCE_DIR}/scripts/check-walls.sh ${rules})
  set_tests_properties(walls PROPERTIES LABELS style)
endfunction()

# What runs under the sanitizers: programs of tests/unit, tests/fault and tests/fuzz.
add_custom_target(unit_tests)

# ito_test(name source ROOMS room... [LABELS label...] [ARGS arg...]): a cmocka program run by ctest from the source
# folder. Without LABELS it carries the name of its folder under tests/.
function(ito_test name source)
  cmake_parse_arguments(ARG "" "" "ROOMS;LABELS;ARGS" ${ARGN})
  if(NOT ARG_LABELS)
    file(RELATIVE_PATH folder ${PROJECT_SOURCE_DIR}/tests ${CMAKE_CURRENT_SOURCE_DIR})
    string(REGEX REPLACE "/.*" "" ARG_LABELS ${folder})
  endif()
  add_executable(test_${name} ${source})
  target_include_directories(test_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(test_${name} PRIVATE cmocka)
  ito_link_rooms(test_${name} ${ARG_ROOMS})
  add_test(NAME ${name} COMMAND test_${name} ${ARG_ARGS} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT 300)
  if("unit" IN_LIST ARG_LABELS OR "fault" IN_LIST ARG_LABELS)
    add_dependencies(unit_tests test_${name})
  endif()
endfunction()
