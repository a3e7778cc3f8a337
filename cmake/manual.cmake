# cmake -DPROGRAM=backstay -DFOLDER=DIR -P manual.cmake: the manual pages and completions as they are installed.
cmake_minimum_required(VERSION 3.25)

function(write_output file)
  execute_process(COMMAND ${PROGRAM} ${ARGN} OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
  file(WRITE ${FOLDER}/${file} "${text}")
endfunction()

# What an earlier build made for commands that are gone must not stay.
file(REMOVE_RECURSE ${FOLDER})
# The lines between "Commands:" and the next empty one begin with the names.
execute_process(COMMAND ${PROGRAM} help OUTPUT_VARIABLE help COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCH "\nCommands:\n(  [^\n]+\n)+" commands "${help}")
string(REGEX MATCHALL "\n  [a-z-]+" names "${commands}")
if(NOT names)
  message(FATAL_ERROR "${PROGRAM} help lists no commands")
endif()
write_output(man1/backstay.1 help --man)
foreach(name IN LISTS names)
  string(STRIP "${name}" name)
  write_output(man1/backstay-${name}.1 help --man ${name})
endforeach()
write_output(bash/backstay completion bash)
write_output(zsh/_backstay completion zsh)
write_output(fish/backstay.fish completion fish)
