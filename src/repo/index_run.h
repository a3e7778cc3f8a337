// One index run: its body, its object, its look-up (docs/format.md section 5.5).
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/rng.h"
#include "chunk/chunk.h"
#include "io/file.h"
#include "repo/config.h"
#include "repo/key_slot.h"
#include "repo/location.h"
#include "repo/run_signature.h"

namespace backstay::repo {

// The part of a chunk id that an index keeps.
using IdPrefix = std::array<std::uint8_t, 20>;
[[nodiscard]] IdPrefix prefix_of(const chunk::ChunkId& id);

// What one finished pack brings into the index.
struct PackEntries {
  ObjectId pack;
  PackKind kind = PackKind::kData;
  std::uint64_t size_bytes = 0;
  struct Chunk {
    IdPrefix id;
    std::uint32_t frame_offset = 0;
    std::uint32_t sealed_length = 0;
    std::uint32_t raw_length = 0;
    compress::Codec codec = compress::Codec::kStored;
    std::uint32_t offset_in_frame = 0;
  };
  std::vector<Chunk> chunks;
};

// A run that is open for reading: a view of a body, wherever that is kept.
class IndexRun {
 public:
  // Checks all of the body's structure: sizes, pack numbers, order. corruption when anything is
  // off. Whether the run may supersede others is for the caller to know.
  static Result<std::shared_ptr<const IndexRun>> open(ObjectId id,
                                                      std::unique_ptr<io::MappedFile> file,
                                                      ByteView body,
                                                      RunTrust trust = RunTrust::kAddsOnly);
  static Result<std::shared_ptr<const IndexRun>> open(ObjectId id, Bytes body,
                                                      RunTrust trust = RunTrust::kAddsOnly);

  [[nodiscard]] const ObjectId& id() const { return id_; }
  [[nodiscard]] std::uint64_t size() const { return entry_count_; }
  [[nodiscard]] std::uint64_t generation() const { return generation_; }
  // None when the run may supersede none.
  [[nodiscard]] const std::vector<ObjectId>& supersedes() const { return supersedes_; }
  [[nodiscard]] std::size_t pack_count() const { return pack_count_; }
  [[nodiscard]] ObjectId pack_id(std::size_t pack) const;
  [[nodiscard]] PackKind pack_kind(std::size_t pack) const;
  [[nodiscard]] std::uint64_t pack_size(std::size_t pack) const;

  struct Entry {
    IdPrefix id;
    std::uint32_t pack = 0;
    std::uint32_t frame_offset = 0;
    std::uint32_t sealed_length = 0;
    std::uint32_t raw_length = 0;
    compress::Codec codec = compress::Codec::kStored;
    std::uint32_t offset_in_frame = 0;
  };
  [[nodiscard]] Entry entry(std::uint64_t number) const;
  [[nodiscard]] ChunkLocation location(const Entry& entry) const;
  // The number of the first entry with this id, or nothing.
  [[nodiscard]] std::optional<std::uint64_t> find(const IdPrefix& id) const;
  [[nodiscard]] std::uint64_t filter_bytes() const { return filter_.size() * sizeof(filter_[0]); }
  [[nodiscard]] std::uint64_t body_bytes() const { return body_.size(); }
  [[nodiscard]] ByteView raw_entry(std::uint64_t number) const;
  // For who goes through all entries in order, called with each number: what lies behind does not
  // stay resident. A mapped run of ten million entries is 400 MB.
  void pass(std::uint64_t number) const {
    if (number % kEntriesInPass == kEntriesInPass - 1) forget_pages();
  }
  void forget_pages() const {
    if (file_) file_->forget_pages();
  }

 private:
  static constexpr std::uint64_t kEntriesInPass = 8 * 1024;  // 320 KiB

  IndexRun() = default;
  Result<void> parse(RunTrust trust);
  void build_filter();
  [[nodiscard]] bool may_contain(const IdPrefix& id) const;

  ObjectId id_;
  std::unique_ptr<io::MappedFile> file_;
  Bytes owned_;
  ByteView body_;
  ByteView packs_;
  ByteView entries_;
  std::uint64_t entry_count_ = 0;
  std::size_t pack_count_ = 0;
  std::uint64_t generation_ = 0;
  std::vector<ObjectId> supersedes_;
  std::vector<std::array<std::uint64_t, 8>> filter_;  // blocks of 512 bits, one cache line each
};

}  // namespace backstay::repo
