# The two kinds of extension. Both load the one engine library next to them, and are staged as in the wheel.
find_package(Python 3.11 REQUIRED COMPONENTS Interpreter Development.Module)
execute_process(COMMAND ${Python_EXECUTABLE} -m pybind11 --cmakedir
                OUTPUT_VARIABLE VIGIE_PYBIND11_DIR OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
set(PYBIND11_FINDPYTHON ON)
find_package(pybind11 2.13 CONFIG REQUIRED PATHS ${VIGIE_PYBIND11_DIR} NO_DEFAULT_PATH)

function(vigie_stage_extension name)
  set_target_properties(${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${VIGIE_STAGE} INSTALL_RPATH "$ORIGIN"
                                           BUILD_WITH_INSTALL_RPATH ON)
  if(SKBUILD)
    install(TARGETS ${name} LIBRARY DESTINATION ${VIGIE_INSTALL_LIB})
  endif()
endfunction()

# vigie_pybind(NAME LINKS lib… SOURCES file…): an extension over the engine's C++ objects.
function(vigie_pybind name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  pybind11_add_module(${name} MODULE NO_EXTRAS ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/src/engine ${PROJECT_SOURCE_DIR}/include)
  # The shared library first: what it exports is never taken from the static layers.
  target_link_libraries(${name} PRIVATE vigie_engine ${ARG_LINKS})
  vigie_stage_extension(${name})
endfunction()

# vigie_cython(NAME FILE.pyx): an extension in C that knows only include/vigie.
function(vigie_cython name pyx)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/${name}.c)
  add_custom_command(
    OUTPUT ${source}
    COMMAND ${Python_EXECUTABLE} -m cython -3 --module-name vigie.${name} -o ${source} ${CMAKE_CURRENT_SOURCE_DIR}/${pyx}
    DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${pyx}
    COMMENT "Cython ${pyx}")
  Python_add_library(${name} MODULE WITH_SOABI ${source})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/include)
  target_compile_options(${name} PRIVATE -w)  # generated code
  target_link_libraries(${name} PRIVATE vigie_engine)
  vigie_stage_extension(${name})
endfunction()
