#include "mount/open_folder.h"

#include <algorithm>

#include "base/try.h"
#include "mount/names.h"
#include "snapshot/tree_key.h"

namespace backstay::mount {

namespace {

constexpr std::uint64_t kMarkEvery = 1024;

}  // namespace

EntryFolder::EntryFolder(chunk::ChunkReader& pages, ServedPtr snapshot, std::string folder)
    : snapshot_(std::move(snapshot)),
      folder_(std::move(folder)),
      cursor_(pages, snapshot_->snapshot.tree) {}

// The next child of the folder, whatever is below the one before.
Result<std::optional<snapshot::TreeItem>> EntryFolder::next() {
  const std::size_t name_at = folder_.empty() ? 0 : folder_.size() + 1;
  while (auto item = TRY(cursor_.next())) {
    if (!snapshot::is_within(item->key, folder_)) return std::nullopt;
    if (item->key.size() <= name_at) continue;  // the folder itself
    const std::size_t name_end = item->key.find('\0', name_at);
    if (name_end != std::string::npos) {
      TRY(cursor_.seek(snapshot::key_after_subtree(item->key.substr(0, name_end))));
      continue;
    }
    if (can_be_served(std::string_view(item->key).substr(name_at))) return item;
  }
  return std::nullopt;
}

// To the last mark before it, and on from there.
Result<void> EntryFolder::go_to(std::uint64_t number) {
  const bool ahead = in_place_ && number >= number_ && number - number_ < kMarkEvery;
  if (ahead) return {};
  in_place_ = false;
  const std::uint64_t mark = std::min<std::uint64_t>(number / kMarkEvery, marks_.size());
  const std::string from = mark > 0 ? marks_[static_cast<std::size_t>(mark - 1)]
                                    : folder_ + (folder_.empty() ? "" : std::string(1, '\0'));
  TRY(cursor_.seek(from));
  number_ = mark * kMarkEvery;
  in_place_ = true;
  return {};
}

Result<std::optional<Child>> EntryFolder::at(std::uint64_t number) {
  const MutexLock lock(mutex_);
  if (end_ && number >= *end_) return std::nullopt;
  if (last_ && number + 1 == number_) return last_;
  last_.reset();
  TRY(go_to(number));
  for (;;) {
    auto item = next();
    if (!item) {
      in_place_ = false;
      return std::unexpected(std::move(item).error());
    }
    if (!*item) {
      in_place_ = false;
      end_ = number_;
      return std::nullopt;
    }
    const std::uint64_t now = number_++;
    snapshot::TreeItem& found = **item;
    if (now % kMarkEvery == 0 && now / kMarkEvery == marks_.size() + 1) marks_.push_back(found.key);
    if (now < number) continue;
    Child child{.name = std::string(snapshot::name_of_key(found.key)), .node = {}, .status = {}};
    child.entry = std::make_shared<const snapshot::Entry>(std::move(found.entry));
    child.node = entry_node(snapshot_, std::move(found.key), *child.entry);
    child.status = status_of(child.node, *child.entry);
    last_ = std::move(child);
    return last_;
  }
}

}  // namespace backstay::mount
