// The list of the files of one archive, sorted, in memory: some 250 bytes a file.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "foreign/borg/command.h"
#include "foreign/borg/item.h"
#include "foreign/repository.h"

namespace backstay::foreign::borg {

struct ArchiveEntry {
  std::string key;
  Bytes record;  // the entry, with a hole in the place of its content
  std::array<std::uint8_t, 16> bytes_id{};
  std::uint64_t size = 0;      // of a regular file
  std::uint32_t order = 0;     // in the archive, where borg reads it
  std::uint32_t bytes_of = 0;  // the entry that has the bytes: itself, or the first of hard links
};

struct Archive {
  std::string id;
  std::string name;
  ArchiveHead head;
  std::vector<ArchiveEntry> entries;  // by ascending key
  std::vector<std::string> paths;     // what has no folder above it in the archive
  OwnerNames names;
};

// Takes the items in the order of the archive and sorts it all out at the end.
class ArchiveBuilder {
 public:
  explicit ArchiveBuilder(std::string base) : base_(std::move(base)) {}
  Result<void> add(Item item, const ForeignHooks& hooks);
  // corruption for links to nothing, files within files, and files that stand there twice.
  Result<Archive> finish();

 private:
  struct Link {
    std::string key;
    std::string to;
  };
  Result<std::string> key_of(const std::string& path) const;
  Result<void> resolve_links();
  Result<void> join_group(ArchiveEntry& entry, const std::string& first, std::uint64_t links);
  Result<void> find_paths();
  [[nodiscard]] ArchiveEntry* find(std::string_view key);

  const std::string base_;
  Archive archive_;
  std::vector<Link> links_;
};

// By 'borg debug dump-archive', which alone of its commands tells all that borg knows.
Result<std::shared_ptr<const Archive>> load_archive(const BorgCommand& borg,
                                                    const ForeignSnapshot& snapshot,
                                                    const ForeignHooks& hooks);

}  // namespace backstay::foreign::borg
