#include "engine/repair/tree_salvage.h"

#include <algorithm>
#include <optional>

#include "base/try.h"
#include "snapshot/content.h"
#include "snapshot/tree_key.h"

namespace backstay::engine::repairing {

namespace {

using chunk::ChunkRef;
using snapshot::Entry;
using snapshot::Extent;
using snapshot::ExtentKind;

constexpr std::size_t kPageFrameBytes = 512 * 1024;

// What says that something stored is lost or makes no sense; everything else is a failure of the
// store or of this machine.
bool is_loss(ErrorCode code) {
  return code == ErrorCode::kCorruption || code == ErrorCode::kNotFound ||
         code == ErrorCode::kInvalidArgument;
}

}  // namespace

Result<bool> TreeSalvage::has(const ChunkRef& ref) {
  // A pack that is trusted is there with its right length.
  if (repository_.index().contains(ref.id)) return true;
  if (const auto known = doubtful_.find(ref.id); known != doubtful_.end()) return known->second;
  const auto bytes = repository_.read(ref);
  if (!bytes && !is_loss(bytes.error().code())) return std::unexpected(bytes.error().clone());
  doubtful_.emplace(ref.id, bytes.has_value());
  return bytes.has_value();
}

Result<std::optional<Error>> TreeSalvage::trouble_with(const Entry& entry) {
  std::optional<Error> trouble;
  const auto walked = snapshot::for_each_extent(
      entry.content, entry.size_bytes, repository_,
      [&](std::uint64_t, const Extent& extent) -> Result<void> {
        if (extent.kind != ExtentKind::kChunk || trouble) return {};
        const ChunkRef ref{.id = extent.id, .length = static_cast<std::uint32_t>(extent.length)};
        if (!TRY(has(ref)))
          trouble = Error(ErrorCode::kNotFound, "chunk " + ref.id.short_hex() + " is lost");
        return {};
      });
  if (walked) return trouble;
  if (!is_loss(walked.error().code())) return std::unexpected(walked.error().clone());
  return std::optional<Error>(walked.error().clone());
}

Result<bool> TreeSalvage::look_at(const ChunkRef& page, std::uint8_t level) {
  const auto bytes = repository_.read(page);
  if (!bytes && is_loss(bytes.error().code())) return false;
  if (!bytes) return std::unexpected(bytes.error().clone());
  if (level > 0) {
    const auto children = snapshot::decode_inner(*bytes, level);
    if (!children) return false;
    for (const snapshot::PageChild& child : *children) {
      if (!TRY(page_is_whole(child.page, static_cast<std::uint8_t>(level - 1)))) return false;
    }
    return true;
  }
  const auto items = snapshot::decode_leaf(*bytes);
  if (!items) return false;
  for (const snapshot::TreeItem& item : *items) {
    if (item.entry.type == snapshot::EntryType::kFile && TRY(trouble_with(item.entry)))
      return false;
  }
  return true;
}

Result<bool> TreeSalvage::page_is_whole(const ChunkRef& page, std::uint8_t level) {
  if (activity_.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
  if (const auto known = pages_.find(page.id); known != pages_.end()) return known->second;
  const bool whole = TRY(look_at(page, level));
  pages_.emplace(page.id, whole);
  return whole;
}

Result<bool> TreeSalvage::is_whole(const snapshot::TreeRoot& root) {
  return page_is_whole(root.page, root.level);
}

Result<SalvagedTree> TreeSalvage::salvage(const snapshot::TreeRoot& root, chunk::ChunkWriter* pages,
                                          const Lost& lost) {
  SalvagedTree made;
  std::optional<snapshot::TreeBuilder> builder;
  if (pages != nullptr) {
    builder.emplace(*pages, crypto::derive_key("backstay v1 tree pages",
                                               repository_.keyring().chunker_key.view()));
  }
  snapshot::TreeCursor cursor(repository_, root);
  while (true) {
    if (activity_.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    const auto item = cursor.next();
    if (!item) {
      if (!is_loss(item.error().code())) return std::unexpected(item.error().clone());
      ++made.stretches_lost;
      lost(snapshot::path_from_key(cursor.damaged_first_key()), true, item.error());
      if (!TRY(cursor.skip_damaged_page())) break;
      continue;
    }
    if (!*item) break;
    const auto& [key, entry] = **item;
    activity_.progress.files_done += 1;
    if (entry.type == snapshot::EntryType::kFile) {
      if (const auto trouble = TRY(trouble_with(entry))) {
        ++made.files_lost;
        lost(snapshot::path_from_key(key), false, *trouble);
        continue;
      }
      made.bytes += entry.size_bytes;
    }
    ++(entry.type == snapshot::EntryType::kDirectory ? made.dirs : made.files);
    if (builder) TRY(builder->add(key, entry));
  }
  if (builder) made.root = TRY(builder->finish());
  return made;
}

Result<ChunkRef> PageStore::write(ByteView plaintext) {
  const ChunkRef ref{.id = repository_.chunk_id(plaintext),
                     .length = static_cast<std::uint32_t>(plaintext.size())};
  if (!session_.claim(ref.id)) return ref;
  if (bytes_.size() + plaintext.size() > kPageFrameBytes) TRY(flush());
  append(bytes_, plaintext);
  chunks_.push_back(ref);
  return ref;
}

Result<void> PageStore::flush() {
  if (chunks_.empty()) return {};
  const Bytes bytes = std::exchange(bytes_, {});
  return session_.add(
      {.kind = repo::PackKind::kMeta, .bytes = bytes, .chunks = std::exchange(chunks_, {})},
      encoder_);
}

}  // namespace backstay::engine::repairing
