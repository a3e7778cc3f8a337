// What may differ from what was seen before.
#pragma once

#include <cstddef>
#include <set>
#include <string>

namespace backstay::watch {

// Paths are absolute and clean. Bounded: what is too much to be listed is "anything".
class ChangeSet {
 public:
  // About 20 MiB of names.
  static constexpr std::size_t kNamesMax = 100'000;

  // This name was made, removed, or what it names changed; of a folder, itself and not what is in
  // it.
  void add_entry(std::string path);
  // This name and whatever is below it.
  void add_tree(std::string path);
  // Anything may have changed: only a comparison of everything tells. The first reason is kept.
  void lose_track(std::string why);
  void merge(ChangeSet&& other);

  [[nodiscard]] bool empty() const { return why_.empty() && entries_.empty() && trees_.empty(); }
  [[nodiscard]] bool anything() const { return !why_.empty(); }
  [[nodiscard]] const std::string& why() const { return why_; }
  [[nodiscard]] const std::set<std::string>& entries() const { return entries_; }
  [[nodiscard]] const std::set<std::string>& trees() const { return trees_; }
  // Whether the path is among what may have changed.
  [[nodiscard]] bool covers(const std::string& path) const;

 private:
  void stay_bounded();

  std::set<std::string> entries_;
  std::set<std::string> trees_;
  std::string why_;
};

// "/a/b" and "/a/b/c" are within "/a/b".
[[nodiscard]] bool is_within(const std::string& path, const std::string& folder);
// "/a/b" -> "/a", "/a" -> "/"; the root is its own parent.
[[nodiscard]] std::string folder_of(const std::string& path);
// "/a", "b" -> "/a/b"; "/", "b" -> "/b".
[[nodiscard]] std::string path_in(const std::string& folder, const std::string& name);

}  // namespace backstay::watch
