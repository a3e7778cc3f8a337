// Where the pieces of files and trees lie: all index files of a restic repository in memory.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "foreign/restic/id.h"
#include "json/reader.h"

namespace backstay::foreign::restic {

struct PieceLocation {
  Id pack;
  std::uint32_t offset = 0;
  std::uint32_t sealed_bytes = 0;
  std::uint32_t plain_bytes = 0;  // when it is read
  bool compressed = false;
};

// 40 bytes a piece: pieces are looked up by the first bytes of their ids, and compared with the
// whole id when they are read.
class Index {
 public:
  // Adds what one index file says. corruption for what no restic writes; nothing is added then.
  Result<void> add(std::string_view text);
  // After the last one.
  void sort();
  [[nodiscard]] std::optional<PieceLocation> find(const Id& id) const;
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  static constexpr std::size_t kPrefix = 20;
  struct Entry {
    std::array<std::uint8_t, kPrefix> id;
    std::uint32_t pack;  // number in packs_
    std::uint32_t offset;
    std::uint32_t sealed_bytes;
    std::uint32_t uncompressed_bytes;  // 0: it is not compressed
  };
  Result<void> add_all(std::string_view text);
  Result<void> add_pack(json::Reader& reader);
  Result<void> add_pieces(json::Reader& reader, std::uint32_t pack);

  std::vector<Entry> entries_;
  std::vector<Id> packs_;
};

}  // namespace backstay::foreign::restic
