// What is done with files of an SFTP server, in as few round trips as it takes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/sftp/client.h"
#include "base/streamed_bytes.h"

namespace backstay::backend::sftp {

// The failure that a refusal stands for, while `doing` something: not_found, permission_denied,
// unsupported. What version 3 has no code for comes as "failure", and is unavailable here: who
// knows more looks at the answer first.
[[nodiscard]] std::unexpected<Error> refused(const Answer& answer, std::string_view doing);

// Of the thing itself, not of what a link points to. not_found.
Result<Attributes> look_at(Client& client, const std::string& path);
// Follows links. In two steps, with other requests between them.
Result<std::uint32_t> send_look_through(Client& client, const std::string& path);
Result<Attributes> take_look(Client& client, std::uint32_t id, const std::string& path);
// A file that is not there counts as removed.
Result<void> remove_file(Client& client, const std::string& path);
// The same of what may be a folder, which then stays and is no failure, in one round trip.
Result<void> remove_unless_folder(Client& client, const std::string& path);

// Makes the folders, each below the one before it, where they are missing; says nothing of what
// goes wrong, because whoever needs them finds out. 0700, like the files 0600.
Result<void> make_folders(Client& client, const std::vector<std::string>& paths);
// Only asks for them: they are there when what is asked next has been answered.
Result<void> ask_for_folders(Client& client, const std::vector<std::string>& paths);

// The handle of a new file; the server fails where the name is taken.
Result<std::string> open_new_file(Client& client, const std::string& path);
// Writes the bytes to it, has it synced where the server can, and closes it. no_space where the
// server tells that it is full. When it fails the file is removed.
Result<void> fill_new_file(Client& client, const std::string& path, const std::string& handle,
                           const StreamedBytes& bytes);
// Both.
Result<void> write_new_file(Client& client, const std::string& path, const StreamedBytes& bytes);

// How a file gets its final name without replacing anything.
enum class Naming : std::uint8_t { kLink, kRename };
Result<Answer> give_name(Client& client, const std::string& from, const std::string& to,
                         Naming naming);

// A regular file that is open for reading.
struct OpenFile {
  std::string handle;
  std::uint64_t size = 0;
};
// not_found for what is no regular file; links are not followed.
Result<OpenFile> open_to_read(Client& client, const std::string& path);
// Fills `out` from `offset`, and returns the bytes that there were. corruption when the server has
// the file and cannot read it.
Result<std::size_t> read_at(Client& client, const OpenFile& file, std::uint64_t offset,
                            MutableByteView out);
// The answer is nobody's concern.
Result<void> close_file(Client& client, const OpenFile& file);
// The bytes of the file are on the disk, whoever wrote them; where the server cannot say so,
// nothing is done.
Result<void> sync_file(Client& client, const OpenFile& file);

// The server's clock, by a file that is made at `path` and removed.
Result<std::uint32_t> time_of_new_file(Client& client, const std::string& path);

// What is in each of the folders, without "." and ".."; nothing of a folder that is not there. They
// are read side by side, so give as many as memory allows.
struct Folder {
  std::string path;
  std::vector<NamedFile> files;
};
Result<void> read_folders(Client& client, std::vector<Folder>& folders);

}  // namespace backstay::backend::sftp
