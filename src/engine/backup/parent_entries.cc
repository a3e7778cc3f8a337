#include "engine/backup/parent_entries.h"

#include <utility>

#include "snapshot/content.h"

namespace backstay::engine::backup_stages {

namespace {

// An entry takes about 1 KiB, so that is 1 MiB in all.
constexpr std::size_t kBatchEntries = 256;
constexpr std::size_t kBatchesAhead = 4;

}  // namespace

ParentEntries::ParentEntries(repo::Repository& repository, const snapshot::TreeRoot& parent)
    : repository_(repository),
      parent_(parent),
      ahead_(kBatchesAhead),
      decoder_([this] { decode_all(); }) {}

ParentEntries::~ParentEntries() {
  ahead_.abort();
}

Result<ParentEntry*> ParentEntries::next() {
  while (used_ == current_.entries.size()) {
    if (current_.failure) return std::unexpected(std::move(*std::exchange(current_.failure, {})));
    auto batch = ahead_.pop();
    if (!batch) return nullptr;
    current_ = std::move(*batch);
    used_ = 0;
  }
  return &current_.entries[used_++];
}

void ParentEntries::decode_all() {
  snapshot::TreeCursor cursor(repository_, parent_);
  bool more = true;
  while (more) {
    Batch batch;
    while (more && batch.entries.size() < kBatchEntries) {
      auto item = cursor.next();
      more = item && *item;
      if (more) {
        batch.entries.push_back({.item = std::move(**item)});
        ParentEntry& entry = batch.entries.back();
        entry.content_is_stored = content_is_stored(entry.item.entry);
      } else if (!item) {
        batch.failure = std::move(item).error();
      }
    }
    if (!ahead_.push(std::move(batch))) return;
  }
  ahead_.close();
}

bool ParentEntries::content_is_stored(const snapshot::Entry& entry) const {
  using snapshot::Extent;
  using snapshot::ExtentKind;
  if (entry.type != snapshot::EntryType::kFile) return true;
  const repo::Index& index = repository_.index();
  // Lists, too, and those in lists: a collection may be about to remove the only place of one.
  const auto is_stored = [&](const chunk::ChunkId& id) -> Result<void> {
    if (!index.contains(id)) return fail(ErrorCode::kNotFound, "a chunk is missing");
    return {};
  };
  const snapshot::ContentVisitor visitor{
      .list = [&](const chunk::ChunkRef& list) -> Result<bool> {
        TRY(is_stored(list.id));
        return true;
      },
      .extent = [&](const Extent& extent) -> Result<void> {
        return extent.kind == ExtentKind::kChunk ? is_stored(extent.id) : Result<void>{};
      }};
  const auto walked = snapshot::walk_content(entry.content, entry.size_bytes, repository_, visitor);
  return walked.has_value();
}

}  // namespace backstay::engine::backup_stages
