# The functions that every CMakeLists.txt of the project is written with:
#
#   sluice_module(NAME n SOURCES f... [DEPS n...] [THIRD_PARTY p...] [PUBLIC_THIRD_PARTY p...]
#                 [PUBLIC_INCLUDE dir])
#   sluice_executable(NAME t SOURCES f... [OUTPUT_NAME o] [DEPS n...] [THIRD_PARTY p...] [INSTALL])
#   sluice_test(NAME n SOURCES f... [DEPS n...] [THIRD_PARTY p...] [LABELS l...]
#               [EXECUTABLES t...] [TIMEOUT seconds] [SERIAL])
#   sluice_fuzz(NAME n SOURCES f... [DEPS n...] [THIRD_PARTY p...] [CORPUS dir...])
#
# DEPS are module names (base, not sluice::base); THIRD_PARTY are the short names of
# third_party.cmake and stay private to the target, so a module that uses a package in one .cc does
# not hand its headers on.

# Folders come in the order of their dependencies, so a module that is missing here is misspelt or
# comes too late in SLUICE_FOLDERS.
function(sluice_require_deps name)
  foreach(dep IN LISTS ARGN)
    if(NOT TARGET sluice::${dep})
      message(FATAL_ERROR "${name} needs the module ${dep}, which no folder before it has")
    endif()
  endforeach()
endfunction()

function(sluice_compile_as_ours target)
  target_link_libraries(${target} PRIVATE sluice_options sluice_warnings)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/lib ${PROJECT_SOURCE_DIR}
                                               ${PROJECT_SOURCE_DIR}/include)
endfunction()

function(sluice_link target scope)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "DEPS;THIRD_PARTY")
  foreach(dep IN LISTS arg_DEPS)
    target_link_libraries(${target} ${scope} sluice::${dep})
  endforeach()
  sluice_third_party(packages ${arg_THIRD_PARTY})
  target_link_libraries(${target} PRIVATE ${packages})
endfunction()

# One generated .cc a header: a file that includes several would hide a header that leans on the one
# before it. Built by the target check_headers only. Headers of tests have few users, all of which
# are built by whoever changes them, and take the longest.
function(sluice_check_headers name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DIRS")
  if(NOT TARGET check_headers)
    add_custom_target(check_headers COMMENT "Every header compiles alone")
    if(SLUICE_TESTS)
      add_test(NAME tidy.check_headers
               COMMAND ${CMAKE_COMMAND} --build ${PROJECT_BINARY_DIR} --target check_headers -j 2
                       -- -k 0)
      set_tests_properties(tidy.check_headers PROPERTIES LABELS tidy TIMEOUT 1200)
    endif()
  endif()
  set(sources)
  foreach(dir IN LISTS arg_DIRS)
    if(dir MATCHES "^${PROJECT_SOURCE_DIR}/tests/")
      continue()
    endif()
    file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${dir}/*.h)
    foreach(header IN LISTS headers)
      file(RELATIVE_PATH path ${PROJECT_SOURCE_DIR} ${header})
      set(source ${PROJECT_BINARY_DIR}/check_headers/${path}.cc)
      file(CONFIGURE OUTPUT ${source} CONTENT "#include \"@header@\"\n" @ONLY)
      list(APPEND sources ${source})
    endforeach()
  endforeach()
  if(sources)
    add_library(check_headers_${name} OBJECT EXCLUDE_FROM_ALL ${sources})
    sluice_compile_as_ours(check_headers_${name})
    target_compile_options(check_headers_${name} PRIVATE -O0 -g0)
    set_target_properties(check_headers_${name} PROPERTIES DISABLE_PRECOMPILE_HEADERS ON
                                                           UNITY_BUILD OFF)
    add_dependencies(check_headers check_headers_${name})
  endif()
endfunction()

function(sluice_module)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME;PUBLIC_INCLUDE"
                        "SOURCES;DEPS;THIRD_PARTY;PUBLIC_THIRD_PARTY")
  sluice_require_deps(sluice_${arg_NAME} ${arg_DEPS})

  set(target sluice_${arg_NAME})
  add_library(${target} STATIC ${arg_SOURCES})
  add_library(sluice::${arg_NAME} ALIAS ${target})
  sluice_compile_as_ours(${target})
  sluice_link(${target} PUBLIC DEPS ${arg_DEPS} THIRD_PARTY ${arg_THIRD_PARTY})
  sluice_third_party(public_packages ${arg_PUBLIC_THIRD_PARTY})
  target_link_libraries(${target} PUBLIC ${public_packages})

  set(header_dirs ${CMAKE_CURRENT_SOURCE_DIR})
  if(arg_PUBLIC_INCLUDE)
    cmake_path(ABSOLUTE_PATH arg_PUBLIC_INCLUDE BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
               NORMALIZE)
    target_include_directories(${target} PUBLIC ${arg_PUBLIC_INCLUDE})
    list(APPEND header_dirs ${arg_PUBLIC_INCLUDE})
  endif()
  sluice_check_headers(${arg_NAME} DIRS ${header_dirs})
  if(TARGET check_headers_${arg_NAME})
    target_link_libraries(check_headers_${arg_NAME} PRIVATE ${target})
    sluice_link(check_headers_${arg_NAME} PRIVATE THIRD_PARTY ${arg_THIRD_PARTY})
  endif()

  # Whatever the library needs must come from its declared dependencies, also in the members that no
  # program happens to pull in.
  if(SLUICE_TESTS)
    set(main ${PROJECT_BINARY_DIR}/link_test_main.cc)
    file(CONFIGURE OUTPUT ${main} CONTENT "int main() {}\n")
    add_executable(link_test_${arg_NAME} ${main})
    sluice_compile_as_ours(link_test_${arg_NAME})
    target_link_libraries(link_test_${arg_NAME} PRIVATE $<LINK_LIBRARY:WHOLE_ARCHIVE,${target}>)
    set_target_properties(link_test_${arg_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                                                           ${PROJECT_BINARY_DIR}/tests)
    add_test(NAME link.${arg_NAME} COMMAND link_test_${arg_NAME})
    set_tests_properties(link.${arg_NAME} PROPERTIES LABELS unit TIMEOUT 30)
    sluice_label_target(link_test_${arg_NAME} unit)
  endif()
endfunction()

function(sluice_executable)
  cmake_parse_arguments(PARSE_ARGV 0 arg "INSTALL" "NAME;OUTPUT_NAME" "SOURCES;DEPS;THIRD_PARTY")
  sluice_require_deps(${arg_NAME} ${arg_DEPS})
  add_executable(${arg_NAME} ${arg_SOURCES})
  if(arg_OUTPUT_NAME)
    set_target_properties(${arg_NAME} PROPERTIES OUTPUT_NAME ${arg_OUTPUT_NAME})
  endif()
  sluice_compile_as_ours(${arg_NAME})
  sluice_link(${arg_NAME} PRIVATE DEPS ${arg_DEPS} THIRD_PARTY ${arg_THIRD_PARTY})
  target_compile_definitions(${arg_NAME} PRIVATE SLUICE_VERSION="${PROJECT_VERSION}")
  if(arg_INSTALL)
    install(TARGETS ${arg_NAME} RUNTIME)
  endif()
endfunction()

# tests_<label> builds what `ctest -L <label>` runs.
function(sluice_label_target target)
  foreach(label IN LISTS ARGN)
    if(NOT TARGET tests_${label})
      add_custom_target(tests_${label})
    endif()
    add_dependencies(tests_${label} ${target})
  endforeach()
endfunction()

# The target whose precompiled gtest and gmock headers all tests reuse.
function(sluice_test_pch)
  if(TARGET sluice_test_pch)
    return()
  endif()
  set(source ${PROJECT_BINARY_DIR}/test_pch.cc)
  file(CONFIGURE OUTPUT ${source} CONTENT "")
  add_library(sluice_test_pch OBJECT EXCLUDE_FROM_ALL ${source})
  sluice_compile_as_test(sluice_test_pch)
  target_precompile_headers(sluice_test_pch PRIVATE <gmock/gmock.h> <gtest/gtest.h>)
endfunction()

function(sluice_compile_as_test target)
  sluice_compile_as_ours(${target})
  target_link_libraries(${target} PRIVATE GTest::gtest GTest::gmock Threads::Threads)
  target_compile_definitions(
    ${target} PRIVATE SLUICE_TEST_BIN_DIR="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}"
                      SLUICE_TEST_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -fpch-preprocess) # lets ccache see through the header
  else()
    target_compile_options(${target} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
  endif()
  # Optimizing what a test does once takes longer than running it. What it tests stands in libraries
  # that are optimized as ever, but for what headers define inline: of that a test may have its own.
  target_compile_options(${target} PRIVATE -O0)
  # Where a test's flags differ from the header's, the plain include is used: slower, not wrong.
  set_target_properties(${target} PROPERTIES PCH_WARN_INVALID OFF RUNTIME_OUTPUT_DIRECTORY
                                                                  ${PROJECT_BINARY_DIR}/tests)
endfunction()

function(sluice_test)
  cmake_parse_arguments(PARSE_ARGV 0 arg "SERIAL" "NAME;TIMEOUT"
                        "SOURCES;DEPS;THIRD_PARTY;LABELS;EXECUTABLES")
  if(NOT SLUICE_TESTS)
    return()
  endif()
  sluice_require_deps(${arg_NAME} ${arg_DEPS})
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()

  sluice_test_pch()
  add_executable(${arg_NAME} ${arg_SOURCES})
  sluice_compile_as_test(${arg_NAME})
  target_precompile_headers(${arg_NAME} REUSE_FROM sluice_test_pch)
  sluice_link(${arg_NAME} PRIVATE DEPS ${arg_DEPS} THIRD_PARTY ${arg_THIRD_PARTY})
  target_link_libraries(${arg_NAME} PRIVATE GTest::gmock_main)
  sluice_label_target(${arg_NAME} ${arg_LABELS})
  foreach(executable IN LISTS arg_EXECUTABLES)
    if(TARGET ${executable})
      add_dependencies(${arg_NAME} ${executable})
    endif()
  endforeach()

  set(serial)
  if(arg_SERIAL)
    set(serial RUN_SERIAL ON)
  endif()
  # A process takes a tenth of a second to begin under a sanitizer, and most tests take less: there
  # a program's tests run in one. Elsewhere each has a process and a name of its own.
  if(SLUICE_SANITIZE)
    math(EXPR timeout "5 * ${arg_TIMEOUT}")
    add_test(NAME ${arg_NAME} COMMAND ${arg_NAME})
    set_tests_properties(${arg_NAME} PROPERTIES TIMEOUT ${timeout} LABELS "${arg_LABELS}" ${serial})
    return()
  endif()
  # Values that GoogleTest cannot print are shown as bytes, addresses among them: names by number
  # stay the same from run to run, and are those of --gtest_filter.
  gtest_discover_tests(
    ${arg_NAME}
    TEST_PREFIX ${arg_NAME}.
    NO_PRETTY_VALUES
    DISCOVERY_MODE PRE_TEST
    DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT ${arg_TIMEOUT} ${serial})

  # gtest_discover_tests flattens lists, so several labels can only be set after it, when ctest
  # reads the tests it has found.
  set(labels_file ${CMAKE_CURRENT_BINARY_DIR}/${arg_NAME}_labels.cmake)
  file(CONFIGURE OUTPUT ${labels_file} @ONLY CONTENT [[
if(@arg_NAME@_TESTS)
  set_tests_properties(${@arg_NAME@_TESTS} PROPERTIES LABELS "@arg_LABELS@")
endif()
]])
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${labels_file})
endfunction()

# A file with LLVMFuzzerTestOneInput: a libFuzzer program in the fuzz preset, elsewhere a test that
# replays the corpus, so that what was once found stays found with every compiler.
function(sluice_fuzz)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME" "SOURCES;DEPS;THIRD_PARTY;CORPUS")
  if(NOT SLUICE_TESTS)
    return()
  endif()
  sluice_require_deps(${arg_NAME} ${arg_DEPS})
  add_executable(${arg_NAME} ${arg_SOURCES})
  sluice_compile_as_ours(${arg_NAME})
  sluice_link(${arg_NAME} PRIVATE DEPS ${arg_DEPS} THIRD_PARTY ${arg_THIRD_PARTY})
  set_target_properties(${arg_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  sluice_label_target(${arg_NAME} fuzz)

  set(corpus)
  foreach(folder IN LISTS arg_CORPUS)
    cmake_path(ABSOLUTE_PATH folder BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE
               OUTPUT_VARIABLE path)
    list(APPEND corpus ${path})
  endforeach()
  if(SLUICE_FUZZ)
    target_link_options(${arg_NAME} PRIVATE -fsanitize=fuzzer)
    add_test(NAME fuzz.${arg_NAME} COMMAND ${arg_NAME} -runs=0 ${corpus})
  else()
    target_sources(${arg_NAME} PRIVATE ${PROJECT_SOURCE_DIR}/tests/support/fuzz_replay_main.cc)
    add_test(NAME fuzz.${arg_NAME} COMMAND ${arg_NAME} ${corpus})
  endif()
  set_tests_properties(fuzz.${arg_NAME} PROPERTIES LABELS fuzz TIMEOUT 300)
endfunction()

if(SLUICE_TESTS)
  include(GoogleTest)
  # They exist also while no test has the label, so that scripts can name them.
  foreach(label IN ITEMS unit golden integration threads sim fuzz)
    add_custom_target(tests_${label})
  endforeach()
endif()
