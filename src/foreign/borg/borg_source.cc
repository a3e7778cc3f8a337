#include "foreign/borg/borg_source.h"

#include <algorithm>
#include <utility>

#include "base/try.h"
#include "foreign/folders_above.h"
#include "snapshot/tree_key.h"

namespace backstay::foreign::borg {

namespace {

// What of both lists says about an entry of the first.
struct Compared {
  std::vector<bool> other_bytes;
  std::vector<bool> wanted;  // it will be read, as something else differs
};

Compared compare(const Archive& now, const Archive* before) {
  Compared result{.other_bytes = std::vector<bool>(now.entries.size(), true),
                  .wanted = std::vector<bool>(now.entries.size(), true)};
  if (before == nullptr) return result;
  auto old = before->entries.begin();
  for (std::size_t i = 0; i < now.entries.size(); ++i) {
    const ArchiveEntry& entry = now.entries[i];
    while (old != before->entries.end() && old->key < entry.key) ++old;
    if (old == before->entries.end()) break;
    if (old->key != entry.key) continue;
    result.other_bytes[i] = old->bytes_id != entry.bytes_id || old->size != entry.size;
    result.wanted[i] = result.other_bytes[i] || old->record != entry.record;
  }
  return result;
}

}  // namespace

BorgSource::BorgSource(const BorgCommand& borg, std::shared_ptr<const Archive> archive,
                       const std::shared_ptr<const Archive>& before, Timestamp when,
                       ForeignHooks hooks)
    : archive_(std::move(archive)), when_(when) {
  Compared compared = compare(*archive_, before.get());
  other_bytes_ = std::move(compared.other_bytes);
  spool_ = std::make_unique<Spool>(borg, archive_, std::move(compared.wanted), std::move(hooks));
}

Result<void> BorgSource::rewind() {
  next_ = 0;
  above_.clear();
  above_made_ = false;
  return {};
}

Result<std::optional<source::SourceItem>> BorgSource::next() {
  if (next_ == archive_->entries.size()) return std::nullopt;
  const ArchiveEntry& entry = archive_->entries[next_];
  if (!std::exchange(above_made_, true)) {
    const std::string_view last =
        next_ == 0 ? std::string_view() : std::string_view(archive_->entries[next_ - 1].key);
    above_ = folders_between(last, entry.key, when_);
    std::ranges::reverse(above_);
  }
  if (!above_.empty()) {
    source::SourceItem item = std::move(above_.back());
    above_.pop_back();
    return item;
  }
  above_made_ = false;
  source::SourceItem item{
      .key = entry.key, .entry = TRY(snapshot::decode_entry(entry.record)), .complete = true};
  item.entry.content = {};
  item.read_anyway = item.entry.type == snapshot::EntryType::kFile && other_bytes_[next_];
  ++next_;
  return item;
}

Result<std::unique_ptr<source::FileReader>> BorgSource::open(source::SourceItem& item) {
  const auto found = std::ranges::lower_bound(archive_->entries, item.key, {}, &ArchiveEntry::key);
  if (found == archive_->entries.end() || found->key != item.key)
    return fail(ErrorCode::kInternal, "the archive has no such file");
  return spool_->open(static_cast<std::uint32_t>(found - archive_->entries.begin()), item.entry);
}

}  // namespace backstay::foreign::borg
