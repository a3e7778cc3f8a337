// Standard archives that any machine can unpack without Backstay. libarchive writes them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"

namespace backstay::archive {

enum class Format : std::uint8_t { kTar, kTarGzip, kTarZstd, kZip };
// What the name of a file of this format ends with: "tar.gz".
[[nodiscard]] std::string_view suffix_of(Format format);
// The one that fits what `name` ends with, "tgz" and "tzst" too; nothing where none does.
[[nodiscard]] std::optional<Format> format_of_name(std::string_view name);

enum class MemberType : std::uint8_t {
  kFile,
  kFolder,
  kSymlink,
  kHardLink,
  kFifo,
  kCharDevice,
  kBlockDevice,
};
// Whether an archive of this format can have it. A ZIP has files, folders and symbolic links.
[[nodiscard]] bool can_hold(Format format, MemberType type);

struct Member {
  std::string path;  // bytes, relative, without "." and ".."
  MemberType type = MemberType::kFile;
  std::uint32_t mode = 0;  // the twelve low bits
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  Timestamp modified;
  std::optional<Timestamp> accessed;
  std::uint64_t size = 0;   // of a file
  std::string target;       // of a symbolic link; of a hard link the path of an earlier member
  std::uint32_t major = 0;  // of a device
  std::uint32_t minor = 0;
  std::vector<std::pair<std::string, ByteView>> attributes;  // extended ones; tar alone keeps them
};

// For one thread at a time. A failure is final. What was written until then, or until it goes
// without finish(), is no whole archive.
class ArchiveWriter {
 public:
  // Takes the archive's bytes, in order.
  using Write = std::function<Result<void>(ByteView)>;
  // With a passphrase (not empty) a ZIP has its files encrypted (AES-256, as 7-Zip and WinZip do
  // it: names, sizes and targets of links stay readable); tar has no such thing (invalid_argument).
  static Result<std::unique_ptr<ArchiveWriter>> open(Format format, Write write,
                                                     ByteView passphrase = {});
  virtual ~ArchiveWriter() = default;

  // Ends the member before, which has all its bytes by then.
  virtual Result<void> begin(const Member& member) = 0;
  // Of the file that was begun.
  virtual Result<void> write(ByteView bytes) = 0;
  // The archive is whole when it returns.
  virtual Result<void> finish() = 0;
};

}  // namespace backstay::archive
