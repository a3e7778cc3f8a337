// A folder for one test, gone with it. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include "io/file.h"
#include "io/node.h"

namespace backstay::io {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    const char* const base = std::getenv("TMPDIR");
    path_ = std::string(base != nullptr && *base != '\0' ? base : "/tmp") + "/backstay-test-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) ADD_FAILURE() << "no folder for the test at " << path_;
  }
  // What a test made immutable goes, too.
  ~TemporaryFolder() {
    std::error_code failure;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path_, failure)) {
      if (entry.symlink_status(failure).type() != std::filesystem::file_type::regular) continue;
      const auto fd = open_file(entry.path().string(), OpenMode::kReadObject);
      if (fd) static_cast<void>(clear_protection(fd->get()).has_value());
    }
    if (const auto removed = remove_tree(path_); !removed)
      ADD_FAILURE() << removed.error().describe();
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace backstay::io
