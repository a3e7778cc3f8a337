// Compares two entries: their attributes and, of regular files, their bytes and holes.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "compare/report.h"
#include "io/metadata.h"

namespace backstay::compare {

// The same folder on both sides. Relative names are looked up in it.
struct FolderPair {
  io::Fd left;
  io::Fd right;
};
struct StatusPair {
  io::FileStatus left;
  io::FileStatus right;
};

// Names that share an inode on one side must share one on the other. To be asked in the order of
// the walk: which of two names is the one that differs depends on it. Keeps inodes with several
// names only.
class HardLinks {
 public:
  enum class Verdict : std::uint8_t { kFirst, kKnown, kDiffer };
  Verdict check(const StatusPair& status);

 private:
  using Inode = std::pair<std::uint64_t, std::uint64_t>;
  std::map<Inode, Inode> right_of_left_;
  std::map<Inode, Inode> left_of_right_;
};

enum class Ownership : std::uint8_t { kCompare, kIgnore };

// Keeps buffers: one a thread.
class EntryComparer {
 public:
  EntryComparer(Report& report, Ownership ownership);

  // Everything but what is in a folder. `path` is for the report.
  void compare(const FolderPair& at, const std::string& name, const std::string& path,
               const StatusPair& status, HardLinks::Verdict links);

 private:
  struct Place;
  void compare_status(const std::string& path, const StatusPair& status);
  void compare_file(const Place& place, const StatusPair& status);
  void compare_folder(const Place& place);
  void compare_link(const Place& place);
  Result<void> compare_open(const std::string& path, int left, int right);
  Result<void> compare_bytes(const std::string& path, int left, int right, std::uint64_t size);
  Result<bool> same_range(int left, int right, std::uint64_t offset, std::uint64_t length);
  Result<void> compare_closed_xattrs(const Place& place);
  void compare_xattrs(const std::string& path);

  Report& report_;
  const Ownership ownership_;
  io::XattrReader xattrs_;
  std::vector<io::NamedValue> left_xattrs_;
  std::vector<io::NamedValue> right_xattrs_;
  Bytes left_bytes_;
  Bytes right_bytes_;
};

}  // namespace backstay::compare
