# The revision that programs say they were built from: SLUICE_REVISION, a macro that is empty where
# the source is no git repository. Looked up with every build, since CMake does not run again for a
# commit; whoever uses it is compiled again only when it changed.
#
#   sluice_know_revision(TARGET)
#
# As a script (-DSOURCE=dir -DOUTPUT=file) this file writes the header.
if(CMAKE_SCRIPT_MODE_FILE)
  find_package(Git QUIET)
  set(revision "")
  if(Git_FOUND AND EXISTS ${SOURCE}/.git)
    execute_process(
      COMMAND ${GIT_EXECUTABLE} rev-parse --short=12 HEAD
      WORKING_DIRECTORY ${SOURCE}
      OUTPUT_VARIABLE revision
      OUTPUT_STRIP_TRAILING_WHITESPACE
      ERROR_QUIET)
    # Without locks: a commit or a rebase that runs just now is not to fail for a build.
    execute_process(
      COMMAND ${GIT_EXECUTABLE} --no-optional-locks status --porcelain --untracked-files=no
      WORKING_DIRECTORY ${SOURCE}
      OUTPUT_VARIABLE changes
      ERROR_QUIET)
    if(revision AND changes)
      string(APPEND revision "-dirty")
    endif()
  endif()
  file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "#define SLUICE_REVISION \"${revision}\"\n" @ONLY)
  return()
endif()

set(SLUICE_REVISION_HEADER ${PROJECT_BINARY_DIR}/sluice_revision.h)
set(SLUICE_WRITE_REVISION
    ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR} -DOUTPUT=${SLUICE_REVISION_HEADER} -P
    ${CMAKE_CURRENT_LIST_FILE})
execute_process(COMMAND ${SLUICE_WRITE_REVISION})
add_custom_target(
  sluice_revision
  COMMAND ${SLUICE_WRITE_REVISION}
  BYPRODUCTS ${SLUICE_REVISION_HEADER}
  VERBATIM)

function(sluice_know_revision target)
  add_dependencies(${target} sluice_revision)
  target_compile_options(${target} PRIVATE -include ${SLUICE_REVISION_HEADER})
endfunction()
