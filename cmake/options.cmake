option(BUILD_SHARED_LIBS "Make the installed client library a shared one" OFF)
option(SLUICE_TESTS "Build the tests (needs GTest)" ON)
option(SLUICE_BENCH "Build the benchmarks (needs google-benchmark)" ON)
option(SLUICE_FUZZ "Build libFuzzer targets instead of corpus replays (clang only)" OFF)
option(SLUICE_COVERAGE "Instrument for gcov" OFF)
set(SLUICE_SANITIZE "" CACHE STRING "Sanitizers, for example address;undefined or thread")
# Folders to configure, dependencies first. Not a cache entry: a build folder from before a folder
# came in would go by the old list.
set(SLUICE_FOLDERS
    lib/base lib/runtime lib/wire lib/access lib/storage lib/broker lib/frontend lib/client
    lib/kube operator/api operator/link operator/autoscale operator/reconcile operator/scaler
    operator/app sidecar cli examples/kubernetes bench tests)

set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)

# What every target of the project compiles with; warnings are apart so that generated code can do
# without them.
add_library(sluice_options INTERFACE)
target_compile_features(sluice_options INTERFACE cxx_std_20)
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)

# A shared client library is made of the objects of our modules, and shows only its headers' names.
if(BUILD_SHARED_LIBS)
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
  set(CMAKE_CXX_VISIBILITY_PRESET hidden)
  set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
endif()

# Binaries are built in one place and run in another: never tuned for the building machine.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  target_compile_options(sluice_options INTERFACE -march=x86-64-v2)
endif()

if(SLUICE_COVERAGE)
  target_compile_options(sluice_options INTERFACE --coverage)
  target_link_options(sluice_options INTERFACE --coverage)
endif()

find_program(SLUICE_CCACHE ccache)
if(SLUICE_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  # Without this sloppiness ccache refuses every file that uses a precompiled header.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      ${SLUICE_CCACHE})
endif()
