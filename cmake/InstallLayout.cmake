# Where things are installed, relative to the prefix. A wheel's prefix is the Python package itself (site-packages/vigie):
# the engine library lies next to the extensions, which find it through $ORIGIN. `cmake --install` uses the usual places.
include(GNUInstallDirs)
if(SKBUILD)
  set(VIGIE_INSTALL_LIB ".")
  set(VIGIE_INSTALL_BIN "bin")
  set(VIGIE_INSTALL_INCLUDE "include")
  set(VIGIE_INSTALL_CMAKE "lib/cmake/vigie")
else()
  set(VIGIE_INSTALL_LIB "${CMAKE_INSTALL_LIBDIR}")
  set(VIGIE_INSTALL_BIN "${CMAKE_INSTALL_BINDIR}")
  set(VIGIE_INSTALL_INCLUDE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(VIGIE_INSTALL_CMAKE "${CMAKE_INSTALL_LIBDIR}/cmake/vigie")
endif()

# The build tree has the same shape as a wheel, so that python/vigie can link to it.
set(VIGIE_STAGE "${PROJECT_BINARY_DIR}/python/vigie")
