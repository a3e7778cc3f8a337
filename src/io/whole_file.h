// A new file that is written piece by piece and has its name only when it is whole.
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "io/file.h"

namespace backstay::io {

// For one thread at a time. Goes without finish(): nothing is left behind.
class WholeFile {
 public:
  // Mode 0600. already_exists when `path` is there, whatever it is. On file systems that have no
  // files without a name it is ".tmp-..." beside `path` until then.
  static Result<WholeFile> create(const std::string& path);
  ~WholeFile();
  WholeFile(WholeFile&& other) noexcept;
  WholeFile& operator=(WholeFile&&) = delete;

  Result<void> write(ByteView bytes);
  // On the disk, with its name, when it returns. already_exists as above.
  Result<void> finish();

 private:
  WholeFile(std::string path, Fd fd, std::string temporary)
      : path_(std::move(path)), fd_(std::move(fd)), temporary_(std::move(temporary)) {}
  Result<void> give_name();

  std::string path_;
  Fd fd_;
  std::string temporary_;  // empty: it has no name
};

}  // namespace backstay::io
