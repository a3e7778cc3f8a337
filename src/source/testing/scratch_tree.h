// A tree of files for one test, made with plain system calls, and what a source says about it. For
// tests only.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/fsuid.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/testing/temporary_folder.h"
#include "snapshot/tree_key.h"
#include "source/file_source.h"

namespace backstay::source {

struct Walked {
  std::vector<SourceItem> items;
  std::vector<std::pair<std::string, std::string>> errors;  // path, description
  [[nodiscard]] SourceItem* find(const std::string& path) {
    const auto has_path = [&](const SourceItem& item) {
      return snapshot::path_from_key(item.key) == path;
    };
    const auto found = std::find_if(items.begin(), items.end(), has_path);
    return found == items.end() ? nullptr : &*found;
  }
  [[nodiscard]] std::vector<std::string> error_paths() const {
    std::vector<std::string> paths;
    for (const auto& error : errors) paths.push_back(error.first);
    return paths;
  }
};

class ScratchTree : public testing::Test {
 protected:
  [[nodiscard]] const std::string& top() const { return temporary_.path(); }
  [[nodiscard]] std::string at(std::string_view name) const {
    return top() + "/" + std::string(name);
  }

  void write(std::string_view name, std::string_view text) {
    std::ofstream(at(name), std::ios::binary) << text;
  }
  void make_folder(std::string_view name) { std::filesystem::create_directories(at(name)); }
  void link_to(std::string_view target, std::string_view name) {
    std::filesystem::create_symlink(target, at(name));
  }
  void remove(std::string_view name) { std::filesystem::remove_all(at(name)); }

  // A source of everything in the tree, unless other paths are set.
  std::unique_ptr<Source> open(FileSourceOptions options = {}) {
    if (options.paths.empty()) options.paths = {top()};
    auto source =
        open_file_source(std::move(options), [this](const auto& path, const Error& error) {
          walked_.errors.emplace_back(path, error.describe());
        });
    EXPECT_TRUE(source.has_value());
    return source ? *std::move(source) : nullptr;
  }
  // Goes on with `source` until `until` was given or all was.
  const Walked& walk(Source& source, const std::string& until = {}) {
    while (true) {
      auto item = source.next();
      EXPECT_TRUE(item.has_value());
      if (!item || !*item) return walked_;
      const std::string path = snapshot::path_from_key((*item)->key);
      walked_.items.push_back(**std::move(item));
      if (path == until) return walked_;
    }
  }
  const Walked& walk(FileSourceOptions options = {}) {
    const auto source = open(std::move(options));
    return walk(*source);
  }
  // Also what costs more than a look.
  void walk_and_complete() {
    const auto source = open();
    walk(*source);
    for (SourceItem& item : walked_.items) {
      if (item.entry.type == snapshot::EntryType::kFile) {
        EXPECT_TRUE(source->open(item).has_value());
      } else {
        source->read_attributes(item);
      }
    }
  }
  // The paths below the scratch folder that were given, relative to it, in their order.
  [[nodiscard]] std::vector<std::string> given() const {
    std::vector<std::string> paths;
    for (const SourceItem& item : walked_.items) {
      const std::string path = snapshot::path_from_key(item.key);
      if (path.starts_with(top() + "/")) paths.push_back(path.substr(top().size() + 1));
    }
    return paths;
  }

  Walked walked_;

 private:
  io::TemporaryFolder temporary_;
};

// This thread touches files as an ordinary user as long as it lives, whoever runs the tests.
class OrdinaryUser {
 public:
  OrdinaryUser() : before_(::setfsuid(kNobody)) {}
  ~OrdinaryUser() { ::setfsuid(static_cast<uid_t>(before_)); }
  OrdinaryUser(const OrdinaryUser&) = delete;
  OrdinaryUser& operator=(const OrdinaryUser&) = delete;

 private:
  static constexpr uid_t kNobody = 65534;
  int before_;
};

// All the bytes of a file as its runs say, holes as zeros.
inline std::string read_all(FileReader& reader) {
  std::string text;
  while (true) {
    const auto run = reader.next_run();
    EXPECT_TRUE(run.has_value());
    if (!run || !*run) return text;
    EXPECT_EQ((*run)->offset, text.size());
    if ((*run)->hole) {
      text.append((*run)->length, '\0');
      continue;
    }
    std::array<std::uint8_t, 1000> buffer;
    while (true) {
      const auto got = reader.read(buffer);
      EXPECT_TRUE(got.has_value());
      if (!got || *got == 0) break;
      text.append(as_text(ByteView(buffer).first(*got)));
    }
  }
}

}  // namespace backstay::source
