if(SLUICE_SANITIZE)
  if("thread" IN_LIST SLUICE_SANITIZE AND "address" IN_LIST SLUICE_SANITIZE)
    message(FATAL_ERROR "SLUICE_SANITIZE: thread and address cannot be combined")
  endif()
  list(JOIN SLUICE_SANITIZE "," sluice_sanitize_flag)
  target_compile_options(
    sluice_options INTERFACE -fsanitize=${sluice_sanitize_flag} -fno-sanitize-recover=all
                             -fno-omit-frame-pointer)
  if("undefined" IN_LIST SLUICE_SANITIZE)
    # To look at an object it opens a pipe, and so takes every object for a bad one in a test that
    # uses up the file descriptors.
    target_compile_options(sluice_options INTERFACE -fno-sanitize=vptr)
  endif()
  target_link_options(sluice_options INTERFACE -fsanitize=${sluice_sanitize_flag})
  target_compile_definitions(sluice_options INTERFACE _GLIBCXX_ASSERTIONS)
endif()
