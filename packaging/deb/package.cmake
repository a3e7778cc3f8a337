# What cpack makes of this project for Debian: the packages backstay, the program, and libbackstay-dev. Run
# packaging/deb/build, which configures for /usr and builds what goes into them.
include(GNUInstallDirs)
set(here ${CMAKE_CURRENT_LIST_DIR})
install(FILES ${here}/backstay@.service ${here}/backstay@.timer DESTINATION lib/systemd/system
  COMPONENT deb EXCLUDE_FROM_ALL)
configure_file(${here}/changelog.in ${CMAKE_BINARY_DIR}/changelog.Debian @ONLY)
foreach(part "deb backstay" "deb_dev libbackstay-dev")
  separate_arguments(part UNIX_COMMAND "${part}")
  list(GET part 0 component)
  list(GET part 1 package)
  set(pages ${CMAKE_INSTALL_DATADIR}/doc/${package})
  install(FILES ${here}/copyright ${CMAKE_BINARY_DIR}/changelog.Debian DESTINATION ${pages}
    COMPONENT ${component} EXCLUDE_FROM_ALL)
  install(FILES ${PROJECT_SOURCE_DIR}/CHANGELOG.md DESTINATION ${pages} RENAME changelog
    COMPONENT ${component} EXCLUDE_FROM_ALL)
endforeach()

set(CPACK_GENERATOR DEB)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_COMPONENTS_ALL program deb dev deb_dev)
foreach(component program deb)
  string(TOUPPER ${component} upper)
  set(CPACK_COMPONENT_${upper}_GROUP command)
endforeach()
foreach(component dev deb_dev)
  string(TOUPPER ${component} upper)
  set(CPACK_COMPONENT_${upper}_GROUP library)
endforeach()

set(CPACK_PACKAGE_NAME backstay)
set(CPACK_PACKAGE_CONTACT "The Backstay authors <maintainers@backstay.invalid>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_PRE_BUILD_SCRIPTS ${here}/compress.cmake)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_COMMAND_PACKAGE_NAME backstay)
set(CPACK_DEBIAN_COMMAND_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_COMMAND_PACKAGE_SHLIBDEPS ON)
# Loaded when they are needed, which dpkg-shlibdeps cannot see.
set(CPACK_DEBIAN_COMMAND_PACKAGE_DEPENDS "libcurl4, libssh-4")
set(CPACK_DEBIAN_COMMAND_PACKAGE_RECOMMENDS "ca-certificates, fuse3")
set(CPACK_DEBIAN_COMMAND_DESCRIPTION "Backups that come back, and prove it
A deduplicating, encrypted backup program: every piece of data is stored
once, compressed and encrypted, in a folder, on S3, Azure, SFTP, FTP, WebDAV
or another Backstay. It restores all that a file system knows of a file,
checks every byte, keeps what rules say, and survives being killed.")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libbackstay-dev)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_DEPENDS
  "libarchive-dev, libcurl4, libfmt-dev, libfyaml-dev, libisal-dev, libpugixml-dev, libre2-dev, libsodium-dev, libssh-4, libssl-dev, libzstd-dev")
set(CPACK_DEBIAN_LIBRARY_DESCRIPTION "Backups from programs in C++ (static library)
What the program backstay does, for programs of your own: back up, look
into snapshots, restore, forget, check. With a package for CMake, one for
pkg-config, and three examples.")
include(CPack)
