# ccache and mold are used where they are present and never required.
find_program(VIGIE_CCACHE ccache)
if(VIGIE_CCACHE)
  # Lets one build serve another: the wheel's in the tests (its folder lies as deep as build/), another clone's.
  set(VIGIE_CCACHE env CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_SLOPPINESS=pch_defines,time_macros
                   ${VIGIE_CCACHE})
  foreach(lang C CXX)
    if(NOT CMAKE_${lang}_COMPILER_LAUNCHER)
      set(CMAKE_${lang}_COMPILER_LAUNCHER ${VIGIE_CCACHE})
    endif()
  endforeach()
endif()

find_program(VIGIE_MOLD mold)
if(VIGIE_MOLD AND NOT VIGIE_LTO)
  include(CheckLinkerFlag)
  check_linker_flag(CXX -fuse-ld=mold VIGIE_LINKER_IS_MOLD)
  if(VIGIE_LINKER_IS_MOLD)
    add_link_options(-fuse-ld=mold)
  endif()
endif()
