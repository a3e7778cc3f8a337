# backstay_python_tests(FILE <file> LABEL <label> [TIMEOUT <seconds>] [SERIAL])
# Every method `def test_...` of a Python file is a test of its own: it gets a name, a time limit and a place
# in the parallel run. Tests find the program through BACKSTAY_BINARY.
function(backstay_python_tests)
  cmake_parse_arguments(ARG "SERIAL" "FILE;LABEL;TIMEOUT" "" ${ARGN})
  cmake_path(ABSOLUTE_PATH ARG_FILE OUTPUT_VARIABLE path)
  cmake_path(GET path STEM stem)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${path})
  file(STRINGS ${path} lines REGEX "^    def test_")
  if(NOT lines)
    message(FATAL_ERROR "${ARG_FILE} has no tests")
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  foreach(line IN LISTS lines)
    string(REGEX REPLACE "^    def (test_[a-z0-9_]+).*" "\\1" method "${line}")
    set(name ${ARG_LABEL}.${stem}.${method})
    add_test(NAME ${name} COMMAND ${BACKSTAY_PYTHON} ${path} -k *.${method})
    set_tests_properties(${name} PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT}
      RUN_SERIAL ${ARG_SERIAL} SKIP_RETURN_CODE 77
      ENVIRONMENT "BACKSTAY_BINARY_DEFAULT=${CMAKE_BINARY_DIR}/backstay;PYTHONDONTWRITEBYTECODE=1")
  endforeach()
endfunction()
