# cmake -DAR=ar -DFOLDER=DIR -DARCHIVE=FILE -DPARTS=FILE|FILE... -P merge_archives.cmake: one archive of the
# members of all. ar's scripts know no blanks in names, so that they are told from DIR on.
cmake_minimum_required(VERSION 3.25)
string(REPLACE "|" ";" parts "${PARTS}")
cmake_path(RELATIVE_PATH ARCHIVE BASE_DIRECTORY ${FOLDER})
set(script "CREATE ${ARCHIVE}\n")
foreach(part IN LISTS parts)
  cmake_path(RELATIVE_PATH part BASE_DIRECTORY ${FOLDER})
  string(APPEND script "ADDLIB ${part}\n")
endforeach()
file(REMOVE ${FOLDER}/${ARCHIVE})
file(WRITE ${FOLDER}/${ARCHIVE}.mri "${script}SAVE\nEND\n")
execute_process(COMMAND ${AR} -M INPUT_FILE ${FOLDER}/${ARCHIVE}.mri WORKING_DIRECTORY ${FOLDER}
  COMMAND_ERROR_IS_FATAL ANY)
