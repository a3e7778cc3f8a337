// Walks the given paths in key order, on one thread, without recursion and with a bounded number of
// descriptors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "io/directory_reader.h"
#include "io/metadata.h"
#include "source/file_source.h"
#include "source/folder_names.h"
#include "source/given_paths.h"
#include "source/open_folders.h"
#include "source/source.h"

namespace backstay::source {

class Walker {
 public:
  // All must outlive the walker.
  Walker(const FileSourceOptions& options, const ReportError& report, const GivenPaths& given,
         OpenFolders& folders);
  Result<std::optional<SourceItem>> next();

 private:
  enum class Listing : std::uint8_t { kAllNames, kGivenNames };

  // A folder that the walk is in.
  struct Frame {
    FolderPtr folder;  // null while too many are open
    std::uint64_t inode = 0;
    std::uint64_t device = 0;
    std::uint64_t allowed_device = 0;  // for one_file_system
    std::size_t key_length = 0;        // its key is that long a part of key_
    Listing listing = Listing::kAllNames;
    bool inside = false;             // it is a given path or within one
    bool listed = false;             // names_ were filled once
    GivenPaths::Range given;         // below it
    std::vector<std::string> marks;  // names for which it is not descended
    FolderNames names;
  };

  // A name that the walk looks at.
  struct Place {
    int folder = -1;
    const char* name = nullptr;
    bool inside = false;
    bool given = false;       // one of the given paths itself
    bool mark = false;        // why the folder it is in is not descended
    GivenPaths::Range below;  // given paths below it
    std::uint64_t allowed_device = 0;
    [[nodiscard]] io::LastLink link() const {
      return inside ? io::LastLink::kKeep : io::LastLink::kFollow;
    }
  };

  [[nodiscard]] Place enter_root();
  [[nodiscard]] Place enter_place(const Frame& frame, std::string_view name);
  [[nodiscard]] std::optional<std::string_view> next_name(Frame& frame);
  std::optional<SourceItem> visit(const Place& place);
  Result<std::optional<SourceItem>> look(const Place& place);
  [[nodiscard]] bool is_left_out(const Place& place, const io::FileStatus& status);

  Result<void> enter_folder(const Place& place, const io::FileStatus& status, SourceItem& item);
  // What of a folder is walked, and what is to be said of the rest.
  struct Descent {
    bool enter = true;
    Listing listing = Listing::kAllNames;
    snapshot::LeftOut left_out = snapshot::LeftOut::kNothing;
    std::vector<std::string> marks;
  };
  [[nodiscard]] Descent how_to_descend(const Place& place, const io::OpenNode& folder);
  [[nodiscard]] Descent find_marks(const io::OpenNode& folder);

  void push(const Place& place, FolderPtr folder, Descent descent);
  void pop();
  Result<FolderPtr> reopen(const Frame& frame, const FolderPtr& child);

  void report(const Error& error) const;
  void report_given_below(const Place& place, const Error& error) const;
  [[nodiscard]] std::string path() const;

  const FileSourceOptions& options_;
  const ReportError& report_;
  const GivenPaths& given_;
  OpenFolders& folders_;
  const std::size_t open_max_;
  std::vector<std::string> never_keys_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> never_inodes_;  // device, inode

  bool started_ = false;
  std::vector<Frame> stack_;
  std::size_t first_open_ = 0;  // frames below it are closed
  std::size_t names_memory_ = 0;
  std::string key_;  // of what the walk looks at
  io::DirectoryReader reader_;
};

}  // namespace backstay::source
