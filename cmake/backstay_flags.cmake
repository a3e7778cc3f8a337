# One interface target carries every flag of our own code; nothing is set globally. Warnings of an optimised build are
# no errors: GCC 12 sees uses after a deletion in std::expected there that are none.
add_library(backstay_flags INTERFACE)
target_compile_features(backstay_flags INTERFACE cxx_std_23)
target_compile_options(backstay_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor -Wold-style-cast
  -Wimplicit-fallthrough -Wextra-semi -Wunused -Woverloaded-virtual
  $<$<AND:$<BOOL:${BACKSTAY_DEVELOPER}>,$<NOT:$<CONFIG:RelWithDebInfo>>>:-Werror>
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>)
if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC takes the .cc files in a unity file for headers, and their unnamed namespaces for a mistake.
  target_compile_options(backstay_flags INTERFACE -Wno-subobject-linkage)
endif()
target_compile_definitions(backstay_flags INTERFACE _GNU_SOURCE _FILE_OFFSET_BITS=64)
if(NOT BACKSTAY_SANITIZE)
  target_compile_options(backstay_flags INTERFACE
    -fstack-protector-strong $<$<CONFIG:RelWithDebInfo>:-U_FORTIFY_SOURCE$<SEMICOLON>-D_FORTIFY_SOURCE=2>)
endif()
if(BACKSTAY_SANITIZE)
  target_compile_options(backstay_flags INTERFACE
    -fsanitize=${BACKSTAY_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(backstay_flags INTERFACE -fsanitize=${BACKSTAY_SANITIZE})
endif()
if(BACKSTAY_FUZZ STREQUAL "comparisons")
  target_compile_options(backstay_flags INTERFACE -fsanitize=fuzzer-no-link)
elseif(BACKSTAY_FUZZ)
  # Cheap enough for the unit tests that share the build.
  target_compile_options(backstay_flags INTERFACE -fsanitize-coverage=inline-8bit-counters,pc-table)
endif()
find_program(BACKSTAY_MOLD mold)
if(BACKSTAY_MOLD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_link_options(backstay_flags INTERFACE -fuse-ld=mold)
elseif(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  find_program(BACKSTAY_LLD ld.lld-19)
  if(BACKSTAY_LLD)
    target_link_options(backstay_flags INTERFACE --ld-path=${BACKSTAY_LLD})
  endif()
endif()
find_program(BACKSTAY_CCACHE ccache)
if(BACKSTAY_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${BACKSTAY_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${BACKSTAY_CCACHE})
endif()
