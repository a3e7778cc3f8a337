// The ways in which create_file() gives a file its name, best first. For create_file and its tests;
// a test machine seldom has a file system that needs the others.
#pragma once

#include <span>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "io/file.h"

namespace backstay::io {

// The one that `path` is in: "." for a bare name.
[[nodiscard]] std::string folder_of(const std::string& path);

enum class Naming : std::uint8_t {
  kUnnamed,   // O_TMPFILE and linkat
  kRenamed,   // a temporary name and RENAME_NOREPLACE, or where that is not known, as kRelinked
  kRelinked,  // a temporary name, link and unlink
};

struct NewFile {
  std::string path;
  std::span<const ByteView> pieces;
  Durability durability = Durability::kSynced;
  std::string temporary_folder;             // for the ways with a temporary name
  const StreamedBytes* streamed = nullptr;  // in place of the pieces
};

enum class Outcome : std::uint8_t { kCreated, kNotPossibleHere };

// kNotPossibleHere when the file system cannot do it in this way; nothing is left behind then.
Result<Outcome> create_file_by(Naming naming, const NewFile& file);

}  // namespace backstay::io
