#include "foreign/borg/archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/try.h"
#include "crypto/hash.h"
#include "io/node.h"
#include "json/reader.h"
#include "snapshot/tree_key.h"

namespace backstay::foreign::borg {

namespace {

using snapshot::Entry;
using snapshot::EntryType;

constexpr std::size_t kItemMax = std::size_t{512} << 20;  // a file of 4 TB in small chunks
constexpr std::size_t kHeadMax = std::size_t{64} << 20;
constexpr std::size_t kPathsMax = 10000;
constexpr std::size_t kNamesMax = 5000;
constexpr std::size_t kNameBytesMax = 256;
constexpr std::string_view kItems = "\"_items\":";

// A hole stands for the bytes, so that the record can be read again.
Result<Bytes> record_of(Entry entry) {
  entry.content = {};
  if (entry.type == EntryType::kFile && entry.size_bytes > 0) {
    entry.content.extents.push_back(
        {.kind = snapshot::ExtentKind::kHole, .length = entry.size_bytes, .id = {}});
  }
  if (const auto valid = snapshot::validate_entry(entry); !valid)
    return fail(ErrorCode::kCorruption, valid.error().describe());
  Bytes record;
  snapshot::encode_entry(entry, record);
  return record;
}

void learn(std::map<std::uint32_t, std::string>& names, std::uint32_t number,
           const std::string& name) {
  if (!name.empty() && name.size() <= kNameBytesMax && names.size() < kNamesMax)
    names.try_emplace(number, name);
}

std::uint64_t inode_of(std::string_view key) {
  return load_le<std::uint64_t>(crypto::blake3(as_bytes(key)).bytes.data()) | 1;
}

}  // namespace

Result<std::string> ArchiveBuilder::key_of(const std::string& path) const {
  std::string_view rest = path;
  while (rest.starts_with("./")) rest.remove_prefix(2);
  while (rest.starts_with('/')) rest.remove_prefix(1);
  if (rest.empty() || rest == ".") return base_;
  std::string key = base_.empty() ? "" : base_ + '\0';
  key += snapshot::key_from_path(rest);
  TRY(snapshot::validate_key(key));
  return key;
}

Result<void> ArchiveBuilder::add(Item item, const ForeignHooks& hooks) {
  if (item.is_part) return {};
  if (!item.entry) {
    hooks.note(io::quoted(item.path) + " is of a kind that is not known: it is left out");
    return {};
  }
  if (item.is_damaged) {
    return fail(ErrorCode::kCorruption,
                fmt::format("'borg check --repair' put zeros into /{}", item.path));
  }
  if (archive_.entries.size() == UINT32_MAX)
    return fail(ErrorCode::kUnsupported, "the archive has too many files");
  ArchiveEntry entry;
  entry.key = TRY(key_of(item.path));
  if (entry.key == base_ && item.entry->type != EntryType::kDirectory)
    return fail(ErrorCode::kCorruption, "the top of the archive is no folder");
  entry.record = TRY_DOING("reading /" + item.path, record_of(*item.entry));
  entry.bytes_id = item.bytes_id;
  entry.size = item.entry->type == EntryType::kFile ? item.entry->size_bytes : 0;
  entry.order = static_cast<std::uint32_t>(archive_.entries.size());
  if (!item.link_to.empty()) links_.push_back({entry.key, TRY(key_of(item.link_to))});
  learn(archive_.names.users, item.entry->uid, item.user);
  learn(archive_.names.groups, item.entry->gid, item.group);
  archive_.entries.push_back(std::move(entry));
  return {};
}

ArchiveEntry* ArchiveBuilder::find(std::string_view key) {
  auto& entries = archive_.entries;
  const auto found = std::ranges::lower_bound(entries, key, {}, &ArchiveEntry::key);
  return found == entries.end() || found->key != key ? nullptr : &*found;
}

Result<void> ArchiveBuilder::join_group(ArchiveEntry& entry, const std::string& first,
                                        std::uint64_t links) {
  Entry decoded = TRY(snapshot::decode_entry(entry.record));
  decoded.links = links;
  decoded.inode = inode_of(first);
  decoded.device = 1;
  if (decoded.type == EntryType::kFile) decoded.size_bytes = entry.size;
  entry.record = TRY(record_of(std::move(decoded)));
  return {};
}

Result<void> ArchiveBuilder::resolve_links() {
  std::map<std::string, std::uint64_t> groups;  // by the key of the first
  for (const Link& link : links_) ++groups.try_emplace(link.to, 1).first->second;
  for (const Link& link : links_) {
    ArchiveEntry* const entry = find(link.key);
    const ArchiveEntry* const first = find(link.to);
    if (entry == nullptr || first == nullptr || groups.contains(link.key)) {
      return fail(ErrorCode::kCorruption,
                  snapshot::path_from_key(link.key) + " is a hard link to nothing");
    }
    entry->bytes_of = static_cast<std::uint32_t>(first - archive_.entries.data());
    entry->bytes_id = first->bytes_id;
    entry->size = first->size;
    const Entry one = TRY(snapshot::decode_entry(entry->record));
    if (one.type != TRY(snapshot::decode_entry(first->record)).type) {
      return fail(ErrorCode::kCorruption,
                  snapshot::path_from_key(link.key) + " is a hard link to something else");
    }
    TRY(join_group(*entry, link.to, groups.at(link.to)));
  }
  for (const auto& [key, links] : groups) TRY(join_group(*find(key), key, links));
  return {};
}

Result<void> ArchiveBuilder::find_paths() {
  const std::string* last_file = nullptr;
  const std::string* top = nullptr;
  for (const ArchiveEntry& entry : archive_.entries) {
    if (last_file != nullptr && snapshot::is_within(entry.key, *last_file))
      return fail(ErrorCode::kCorruption, snapshot::path_from_key(entry.key) + " is in no folder");
    const Entry decoded = TRY(snapshot::decode_entry(entry.record));
    if (decoded.type != EntryType::kDirectory) last_file = &entry.key;
    if (top != nullptr && snapshot::is_within(entry.key, *top)) continue;
    top = &entry.key;
    if (archive_.paths.size() <= kPathsMax)
      archive_.paths.push_back(snapshot::path_from_key(entry.key));
  }
  if (archive_.paths.empty() || archive_.paths.size() > kPathsMax)
    archive_.paths = {snapshot::path_from_key(base_)};
  std::ranges::sort(archive_.paths);
  return {};
}

Result<Archive> ArchiveBuilder::finish() {
  auto& entries = archive_.entries;
  std::ranges::sort(entries, {}, &ArchiveEntry::key);  // repeated ones must be the same anyway
  // A folder that was named twice may stand there twice.
  for (std::size_t i = 1; i < entries.size(); ++i) {
    if (entries[i].key != entries[i - 1].key) continue;
    const Entry entry = TRY(snapshot::decode_entry(entries[i].record));
    if (entry.type == EntryType::kDirectory && entries[i].record == entries[i - 1].record) continue;
    return fail(ErrorCode::kCorruption,
                snapshot::path_from_key(entries[i].key) + " stands twice in the archive");
  }
  const auto repeated = std::ranges::unique(entries, {}, &ArchiveEntry::key);
  entries.erase(repeated.begin(), repeated.end());
  for (std::size_t i = 0; i < entries.size(); ++i)
    entries[i].bytes_of = static_cast<std::uint32_t>(i);
  TRY(resolve_links());
  TRY(find_paths());
  return std::move(archive_);
}

Result<std::shared_ptr<const Archive>> load_archive(const BorgCommand& borg,
                                                    const ForeignSnapshot& snapshot,
                                                    const ForeignHooks& hooks) {
  io::ChildProcess child =
      TRY(borg.start({"debug", "dump-archive"}, {borg.archive(snapshot.name), "-"}));
  ArchiveBuilder builder(borg.options().base);
  json::ObjectSplitter items(kItemMax);
  std::string head;
  bool in_items = false;
  Bytes buffer(256 * 1024);
  for (;;) {
    const std::size_t got = TRY(child.read_stdout(buffer, hooks.stop));
    if (got == 0) break;
    std::string_view piece = as_text(ByteView(buffer).first(got));
    if (!in_items) {
      if (head.size() + piece.size() > kHeadMax)
        return fail(ErrorCode::kCorruption, "the head of the archive is too long");
      head += piece;
      const std::size_t at = head.find(kItems);
      const std::size_t bracket = at == std::string::npos ? at : head.find('[', at + kItems.size());
      if (bracket == std::string::npos) continue;
      in_items = true;
      // What was read of the items stands in the buffer, too.
      piece = piece.substr(piece.size() - (head.size() - bracket - 1));
      head.resize(at);
    }
    while (!piece.empty() && !items.at_end()) {
      if (TRY(items.feed(piece))) TRY(builder.add(TRY(parse_item(items.object())), hooks));
    }
  }
  TRY(must_end_well(child, ErrorCode::kCorruption, hooks.stop));
  if (!items.at_end()) return fail(ErrorCode::kCorruption, "the list of the files is cut short");
  auto archive = std::make_shared<Archive>(TRY(builder.finish()));
  archive->id = snapshot.id;
  archive->name = snapshot.name;
  archive->head = TRY(parse_head(head + "\"_end\": 0}"));
  return std::shared_ptr<const Archive>(std::move(archive));
}

}  // namespace backstay::foreign::borg
