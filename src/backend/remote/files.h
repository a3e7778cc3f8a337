// What FolderBackend asks of a server that keeps files in folders: the part that differs between
// WebDAV and FTP.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/streamed_bytes.h"

namespace backstay::backend::remote {

enum class Kind : std::uint8_t { kFile, kFolder, kOther };

struct Entry {
  std::string name;  // within its folder
  Kind kind = Kind::kOther;
  std::optional<std::uint64_t> size_bytes;
  std::optional<Timestamp> modified;  // by the server's clock
};

enum class Renamed : std::uint8_t { kDone, kTaken };

// Thread-safe; all methods block and none tries again. Paths are those of objects: components
// joined by '/', below the root of the store, which is "". Failures are those of Backend.
class Files {
 public:
  virtual ~Files() = default;

  // not_found where nothing is.
  virtual Result<Entry> look(const std::string& path) = 0;
  // All that is directly in a folder. not_found where there is none.
  virtual Result<std::vector<Entry>> read_folder(const std::string& path) = 0;
  // One that is there is made.
  virtual Result<void> make_folder(const std::string& path) = 0;
  // The same for the root, with the folders above it.
  virtual Result<void> make_root() = 0;
  // A file of just these bytes, also where there was one. When it fails, some of it may be there.
  virtual Result<void> write(const std::string& path, const StreamedBytes& bytes) = 0;
  // kTaken, where the server notices that: see rename_replaces().
  virtual Result<Renamed> rename(const std::string& from, const std::string& to) = 0;
  // A file that is not there is removed. Never a folder.
  virtual Result<void> remove_file(const std::string& path) = 0;
  // not_found, also for a folder; invalid_argument when it is larger.
  virtual Result<Bytes> read(const std::string& path, std::uint64_t size_max) = 0;
  // All of `out`, which is not empty; corruption when the file ends before that.
  virtual Result<void> read_range(const std::string& path, std::uint64_t offset,
                                  MutableByteView out) = 0;

  // Backend::mark() and replace(), where the protocol has them.
  virtual Result<std::string> mark(const std::string& path);
  virtual Result<void> replace(const std::string& path, std::string_view mark, ByteView bytes);

  // Whether rename() may replace what has the name already, so that it must be looked for before.
  [[nodiscard]] virtual bool rename_replaces() const = 0;
  // What the server said last of the time, to the second; nothing where it says nothing.
  [[nodiscard]] virtual std::optional<Timestamp> said_time() const = 0;
  // For messages: a URL without credentials.
  [[nodiscard]] virtual const std::string& place() const = 0;
};

}  // namespace backstay::backend::remote
