add_library(sluice_warnings INTERFACE)
target_compile_options(
  sluice_warnings
  INTERFACE -Wall
            -Wextra
            -Wpedantic
            -Wshadow
            -Wconversion
            -Wsign-conversion
            -Wold-style-cast
            -Wnon-virtual-dtor
            -Woverloaded-virtual
            -Wimplicit-fallthrough
            # A designated initializer that leaves members to their defaults is meant to.
            -Wno-missing-field-initializers
            -Werror)

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports overlapping and overlong copies inside std::string that are not there (GCC bugs
  # 105651 and 105329).
  target_compile_options(sluice_warnings INTERFACE -Wno-restrict -Wno-array-bounds)
  if(SLUICE_SANITIZE OR SLUICE_COVERAGE)
    # Instrumentation hides the data flow these rely on; the release build still has them.
    target_compile_options(sluice_warnings INTERFACE -Wno-maybe-uninitialized
                                                     -Wno-stringop-overflow)
  endif()
  if(SLUICE_SANITIZE MATCHES "thread")
    # Asio's fences, which ThreadSanitizer does not see; its queues are locked besides.
    target_compile_options(sluice_warnings INTERFACE -Wno-tsan)
  endif()
endif()

if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(sluice_warnings INTERFACE -Wthread-safety
                                                   -Wno-gnu-zero-variadic-macro-arguments)
endif()
