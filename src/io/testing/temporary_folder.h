// A folder for one test, gone with it. For tests only.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "io/file.h"
#include "io/node.h"

namespace backstay::io {

class TemporaryFolder {
 public:
  TemporaryFolder() : TemporaryFolder(std::getenv("TMPDIR")) {}
  // In another folder than the one that tests use.
  explicit TemporaryFolder(const char* base) {
    path_ = std::string(base != nullptr && *base != '\0' ? base : "/tmp") + "/backstay-test-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) ADD_FAILURE() << "no folder for the test at " << path_;
  }
  // What a test made immutable goes, too.
  ~TemporaryFolder() {
    const std::size_t slash = path_.rfind('/');
    const Fd base(::open(path_.substr(0, slash + 1).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (const auto removed = remove_tree_at(base.get(), path_.substr(slash + 1)); !removed)
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
