// A folder for one test, gone with it. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "io/file.h"

namespace backstay::io {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    const char* const base = std::getenv("TMPDIR");
    path_ = std::string(base != nullptr && *base != '\0' ? base : "/tmp") + "/backstay-test-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) ADD_FAILURE() << "no folder for the test at " << path_;
  }
  ~TemporaryFolder() {
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
