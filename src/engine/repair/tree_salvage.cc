#include "engine/repair/tree_salvage.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

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

Result<Bytes> LossReader::read_any_place(const ChunkRef& ref) {
  Error lost(ErrorCode::kNotFound, "chunk " + ref.id.short_hex() + " is in no pack");
  std::optional<Error> unanswered;
  bool first = true;
  for (const repo::ChunkLocation& at : repository_.index().find_all(ref.id)) {
    const auto frame = repository_.read_frame(at.frame);
    const auto bytes = frame ? repository_.chunk_in_frame(**frame, at.offset_in_frame, ref)
                             : Result<ByteView>(std::unexpected(frame.error().clone()));
    if (bytes) return to_owned(*bytes);
    const bool vanished =
        bytes.error().code() == ErrorCode::kNotFound && present_.contains(at.frame.pack);
    if (vanished || !is_loss(bytes.error().code())) {
      unanswered = vanished ? Error(ErrorCode::kUnavailable,
                                    bytes.error().describe() +
                                        ", although the store lists it: run the command again")
                            : bytes.error().clone();
    } else if (std::exchange(first, false)) {
      lost = bytes.error().clone();
    }
  }
  return std::unexpected(unanswered ? std::move(*unanswered) : std::move(lost));
}

Result<Bytes> LossReader::read(const ChunkRef& ref) {
  if (const auto known = lost_.find({ref.id, ref.length}); known != lost_.end())
    return fail(known->second.code, "chunk " + ref.id.short_hex() + " is lost");
  auto bytes = read_any_place(ref);
  if (bytes || !is_loss(bytes.error().code())) return bytes;
  if (settled_) {
    return std::unexpected(
        Error(ErrorCode::kUnavailable,
              "what could be read a moment ago cannot be read now: " + bytes.error().describe())
            .with_hint("Look at the disk, its cable and this machine's memory, then run the "
                       "command again. Nothing was removed because of this."));
  }
  lost_.emplace(Key{ref.id, ref.length}, Loss{.code = bytes.error().code()});
  ++unconfirmed_;
  return bytes;
}

Result<bool> LossReader::has(const ChunkRef& ref) {
  // A pack that is trusted is there with its right length; the chunk's stands in the tree alone.
  if (readable_.contains({ref.id, ref.length})) return true;
  if (repository_.index().contains(ref.id)) {
    const auto at = repository_.index().find(ref.id);
    if (at && ref.length <= at->frame.raw_length - at->offset_in_frame) return true;
  }
  const auto bytes = read(ref);
  if (!bytes && !is_loss(bytes.error().code())) return std::unexpected(bytes.error().clone());
  if (bytes) readable_.insert({ref.id, ref.length});
  return bytes.has_value();
}

Result<bool> LossReader::confirm() {
  unconfirmed_ = 0;
  readable_.clear();
  bool all_lost = true;
  for (auto it = lost_.begin(); it != lost_.end();) {
    Loss& loss = it->second;
    const auto bytes = loss.confirmed
                           ? Result<Bytes>(fail(loss.code, ""))
                           : read_any_place({.id = it->first.first, .length = it->first.second});
    if (!bytes && !is_loss(bytes.error().code())) return std::unexpected(bytes.error().clone());
    all_lost = all_lost && !bytes;
    loss.confirmed = true;
    it = bytes ? lost_.erase(it) : std::next(it);
  }
  return all_lost;
}

Result<std::optional<Error>> TreeSalvage::trouble_with(const Entry& entry) {
  std::optional<Error> trouble;
  const auto walked = snapshot::for_each_extent(
      entry.content, entry.size_bytes, chunks_,
      [&](std::uint64_t, const Extent& extent) -> Result<void> {
        if (extent.kind != ExtentKind::kChunk || trouble) return {};
        const ChunkRef ref{.id = extent.id, .length = static_cast<std::uint32_t>(extent.length)};
        if (!TRY(chunks_.has(ref)))
          trouble = Error(ErrorCode::kNotFound, "chunk " + ref.id.short_hex() + " is lost");
        return {};
      });
  if (walked) return trouble;
  if (!is_loss(walked.error().code())) return std::unexpected(walked.error().clone());
  return std::optional<Error>(walked.error().clone());
}

Result<bool> TreeSalvage::entry_is_whole(ByteView record) {
  const auto entry = snapshot::decode_entry(record);
  if (!entry) return false;
  return entry->type != snapshot::EntryType::kFile || !TRY(trouble_with(*entry));
}

Result<bool> TreeSalvage::is_whole(const snapshot::TreeRoot& root) {
  snapshot::TreeWalker walker(chunks_, root);
  // Whole as far as they were looked at; and all of them, when the walk comes to its end.
  std::vector<std::pair<chunk::ChunkId, snapshot::PageFacts>> walked;
  while (!walker.at_end()) {
    if (activity_.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    if (walker.at_item()) {
      if (!TRY(entry_is_whole(walker.record()))) return false;
      walker.step();
      continue;
    }
    const chunk::ChunkId page = walker.page().ref.id;
    if (const auto known = whole_.find(page); known != whole_.end()) {
      if (!walker.agrees(known->second)) return false;
      walker.skip_page();
      continue;
    }
    const auto opened = walker.open();
    if (!opened && is_loss(opened.error().code())) return false;
    if (!opened) return std::unexpected(opened.error().clone());
    walked.emplace_back(page, walker.opened());
  }
  for (auto& [page, facts] : walked) whole_.emplace(page, std::move(facts));
  return true;
}

Result<SalvagedTree> TreeSalvage::salvage(const snapshot::TreeRoot& root, chunk::ChunkWriter* pages,
                                          const Lost& lost) {
  SalvagedTree made;
  std::optional<snapshot::TreeBuilder> builder;
  if (pages != nullptr) {
    builder.emplace(*pages, crypto::derive_key("backstay v1 tree pages",
                                               repository_.keyring().chunker_key.view()));
  }
  snapshot::TreeCursor cursor(chunks_, root);
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
