# Debian wants manual pages and changelogs compressed. Runs over what goes into the packages.
cmake_minimum_required(VERSION 3.25)
file(GLOB_RECURSE pages "${CPACK_TEMPORARY_DIRECTORY}/*/usr/share/man/man1/*.1")
file(GLOB_RECURSE changelogs "${CPACK_TEMPORARY_DIRECTORY}/*/usr/share/doc/*/changelog*")
# Without names and times in it, so that the same sources give the same bytes.
execute_process(COMMAND gzip -9nf ${pages} ${changelogs} COMMAND_ERROR_IS_FATAL ANY)
