#include "foreign/restic/index.h"

#include <algorithm>

#include "base/try.h"
#include "crypto/aes_poly1305.h"
#include "json/reader.h"

namespace backstay::foreign::restic {

namespace {

constexpr std::uint32_t kSealBytes = crypto::AesPoly1305::kOverhead;

struct Piece {
  Id id;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::uint64_t uncompressed = 0;
};

Result<Id> read_id(json::Reader& reader) {
  const auto id = Id::from_hex(TRY(reader.string()));
  if (!id) return fail(ErrorCode::kCorruption, "an id is none");
  return *id;
}

Result<Piece> read_piece(json::Reader& reader) {
  Piece piece;
  bool has_id = false;
  TRY(reader.enter_object());
  while (const auto key = TRY(reader.next_key())) {
    if (*key == "id") {
      piece.id = TRY(read_id(reader));
      has_id = true;
    } else if (*key == "offset") {
      piece.offset = TRY(reader.number());
    } else if (*key == "length") {
      piece.length = TRY(reader.number());
    } else if (*key == "uncompressed_length") {
      piece.uncompressed = TRY(reader.number());
    } else {
      TRY(reader.skip());
    }
  }
  if (!has_id) return fail(ErrorCode::kCorruption, "a piece has no id");
  if (piece.length < kSealBytes || piece.length > UINT32_MAX || piece.offset > UINT32_MAX ||
      piece.uncompressed > UINT32_MAX)
    return fail(ErrorCode::kCorruption, "the place of a piece is out of bounds");
  return piece;
}

}  // namespace

Result<void> Index::add_pieces(json::Reader& reader, std::uint32_t pack) {
  if (reader.take_null()) return {};
  TRY(reader.enter_array());
  while (TRY(reader.next_element())) {
    const Piece piece = TRY(read_piece(reader));
    Entry entry{.id = {},
                .pack = pack,
                .offset = static_cast<std::uint32_t>(piece.offset),
                .sealed_bytes = static_cast<std::uint32_t>(piece.length),
                .uncompressed_bytes = static_cast<std::uint32_t>(piece.uncompressed)};
    std::copy_n(piece.id.bytes.data(), kPrefix, entry.id.data());
    entries_.push_back(entry);
  }
  return {};
}

Result<void> Index::add_pack(json::Reader& reader) {
  const auto number = static_cast<std::uint32_t>(packs_.size());
  std::optional<Id> pack;
  TRY(reader.enter_object());
  while (const auto key = TRY(reader.next_key())) {
    if (*key == "id") {
      pack = TRY(read_id(reader));
    } else if (*key == "blobs") {
      TRY(add_pieces(reader, number));
    } else {
      TRY(reader.skip());
    }
  }
  if (!pack) return fail(ErrorCode::kCorruption, "a pack has no id");
  packs_.push_back(*pack);
  return {};
}

Result<void> Index::add_all(std::string_view text) {
  json::Reader reader(text);
  TRY(reader.enter_object());
  while (const auto key = TRY(reader.next_key())) {
    if (*key != "packs") {
      TRY(reader.skip());
    } else if (!reader.take_null()) {
      TRY(reader.enter_array());
      while (TRY(reader.next_element())) TRY(add_pack(reader));
    }
  }
  return reader.finish();
}

Result<void> Index::add(std::string_view text) {
  const std::size_t entries_before = entries_.size();
  const std::size_t packs_before = packs_.size();
  auto added = add_all(text);
  if (!added) {
    entries_.resize(entries_before);
    packs_.resize(packs_before);
  }
  return added;
}

void Index::sort() {
  std::ranges::sort(entries_, {}, &Entry::id);
}

std::optional<PieceLocation> Index::find(const Id& id) const {
  std::array<std::uint8_t, kPrefix> prefix{};
  std::copy_n(id.bytes.data(), kPrefix, prefix.data());
  const auto found = std::ranges::lower_bound(entries_, prefix, {}, &Entry::id);
  if (found == entries_.end() || found->id != prefix) return std::nullopt;
  const bool compressed = found->uncompressed_bytes != 0;
  return PieceLocation{
      .pack = packs_[found->pack],
      .offset = found->offset,
      .sealed_bytes = found->sealed_bytes,
      .plain_bytes = compressed ? found->uncompressed_bytes : found->sealed_bytes - kSealBytes,
      .compressed = compressed};
}

}  // namespace backstay::foreign::restic
