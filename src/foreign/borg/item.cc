#include "foreign/borg/item.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/hex.h"
#include "base/strong_id.h"
#include "base/try.h"
#include "crypto/hash.h"
#include "foreign/device_number.h"
#include "json/reader.h"

namespace backstay::foreign::borg {

namespace {

using snapshot::Entry;
using snapshot::EntryType;

std::unexpected<Error> broken(const char* what) {
  return fail(ErrorCode::kCorruption, what);
}

Result<std::string> text_of(json::Reader& reader) {
  if (reader.take_null()) return std::string();
  return decoded(TRY(reader.string()));
}

Result<Timestamp> nanoseconds_of(json::Reader& reader) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const std::int64_t value = TRY(reader.signed_number());
  const std::int64_t nanos = ((value % kSecond) + kSecond) % kSecond;
  return Timestamp{.seconds = (value - nanos) / kSecond,
                   .nanos = static_cast<std::uint32_t>(nanos)};
}

// "2026-11-22T02:34:29.913209", in UTC.
Result<Timestamp> naive_time_of(json::Reader& reader) {
  const std::string text = TRY(reader.string());
  if (text.size() < 19 || text[10] != 'T') return broken("a time is none");
  const auto time = parse_time(text + "Z", {});
  if (!time) return broken("a time is none");
  return *time;
}

Result<std::uint32_t> owner_of(json::Reader& reader) {
  if (reader.take_null()) return 0U;
  const std::uint64_t value = TRY(reader.number());
  if (value > UINT32_MAX) return broken("a number is out of bounds");
  return static_cast<std::uint32_t>(value);
}

std::optional<EntryType> type_of(std::uint64_t mode) {
  switch (mode & 0170000) {
    case 0100000:
      return EntryType::kFile;
    case 0040000:
      return EntryType::kDirectory;
    case 0120000:
      return EntryType::kSymlink;
    case 0010000:
      return EntryType::kFifo;
    case 0020000:
      return EntryType::kCharDevice;
    case 0060000:
      return EntryType::kBlockDevice;
    default:
      return std::nullopt;
  }
}

// From the names that BSD has for flags, which borg keeps, to those of FS_IOC_GETFLAGS.
std::uint32_t inode_flags_of(std::uint64_t bsd) {
  std::uint32_t flags = 0;
  if ((bsd & 0x1) != 0) flags |= 0x40;   // nodump
  if ((bsd & 0x2) != 0) flags |= 0x10;   // immutable
  if ((bsd & 0x4) != 0) flags |= 0x20;   // append only
  if ((bsd & 0x20) != 0) flags |= 0x04;  // compressed
  return flags;
}

struct ItemDraft {
  Item item;
  Entry entry;
  std::uint64_t mode = 0;
  std::uint64_t rdev = 0;
  std::uint64_t size = 0;
  std::string source;
};

// [[id, size, compressed size], ...]
Result<void> read_chunks(json::Reader& reader, ItemDraft& draft) {
  crypto::Blake3Stream ids;
  if (reader.take_null()) return {};
  TRY(reader.enter_array());
  while (TRY(reader.next_element())) {
    TRY(reader.enter_array());
    if (!TRY(reader.next_element())) return broken("a chunk is none");
    ids.update(as_bytes(TRY(reader.string())));
    if (!TRY(reader.next_element())) return broken("a chunk is none");
    const std::uint64_t size = TRY(reader.number());
    if (size > UINT32_MAX) return broken("a chunk is too large");
    draft.size += size;
    while (TRY(reader.next_element())) TRY(reader.skip());
  }
  std::memcpy(draft.item.bytes_id.data(), ids.finish().bytes.data(), draft.item.bytes_id.size());
  return {};
}

Result<void> read_xattrs(json::Reader& reader, Entry& entry) {
  if (reader.take_null()) return {};
  TRY(reader.enter_object());
  while (auto name = TRY(reader.next_key())) {
    const std::string value = TRY(text_of(reader));
    entry.xattrs.push_back(
        {.name = TRY(decoded(*std::move(name))), .value = to_owned(as_bytes(value))});
  }
  return {};
}

Result<void> read_acl(json::Reader& reader, const char* name, Entry& entry) {
  const std::string text = TRY(text_of(reader));
  const bool is_default = std::string_view(name).ends_with("default");
  if (text.find_first_not_of(" \t\n") == std::string::npos) return {};
  if (auto acl = TRY(parse_acl(text, is_default)))
    entry.xattrs.push_back({.name = name, .value = *std::move(acl)});
  return {};
}

// False for another key, whose value was not read.
Result<bool> read_attribute(json::Reader& reader, std::string_view key, ItemDraft& draft) {
  Entry& entry = draft.entry;
  if (key == "mode") {
    draft.mode = TRY(reader.number());
  } else if (key == "uid") {
    entry.uid = TRY(owner_of(reader));
  } else if (key == "gid") {
    entry.gid = TRY(owner_of(reader));
  } else if (key == "mtime") {
    entry.modified = TRY(nanoseconds_of(reader));
  } else if (key == "ctime") {
    entry.changed = TRY(nanoseconds_of(reader));
  } else if (key == "atime") {
    entry.accessed = TRY(nanoseconds_of(reader));
  } else if (key == "birthtime") {
    entry.born = TRY(nanoseconds_of(reader));
  } else if (key == "rdev") {
    draft.rdev = TRY(reader.number());
  } else if (key == "bsdflags") {
    entry.inode_flags = inode_flags_of(TRY(reader.number()));
  } else if (key == "xattrs") {
    TRY(read_xattrs(reader, entry));
  } else if (key == "acl_access") {
    TRY(read_acl(reader, "system.posix_acl_access", entry));
  } else if (key == "acl_default") {
    TRY(read_acl(reader, "system.posix_acl_default", entry));
  } else {
    return false;
  }
  return true;
}

Result<void> read_field(json::Reader& reader, std::string_view key, ItemDraft& draft) {
  if (TRY(read_attribute(reader, key, draft))) return {};
  Item& item = draft.item;
  if (key == "path") {
    item.path = TRY(text_of(reader));
  } else if (key == "user") {
    item.user = TRY(text_of(reader));
  } else if (key == "group") {
    item.group = TRY(text_of(reader));
  } else if (key == "source") {
    draft.source = TRY(text_of(reader));
  } else if (key == "chunks") {
    TRY(read_chunks(reader, draft));
  } else {
    if (key == "part") item.is_part = true;
    if (key == "chunks_healthy") item.is_damaged = true;
    TRY(reader.skip());
  }
  return {};
}

struct AclEntry {
  std::uint16_t tag = 0;
  std::uint16_t permissions = 0;
  std::uint32_t id = UINT32_MAX;
  friend auto operator<=>(const AclEntry&, const AclEntry&) = default;
};

std::string_view cut_at(std::string_view& rest, char separator) {
  const std::size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

Result<std::uint32_t> acl_id(std::string_view number, std::string_view name) {
  const std::string_view text = number.empty() ? name : number;
  std::uint32_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size())
    return broken("an access list names nobody");
  return id;
}

// "user:name:rwx:1234": the number is borg's own addition.
Result<AclEntry> parse_acl_line(std::string_view line) {
  const std::string_view kind = cut_at(line, ':');
  const std::string_view name = cut_at(line, ':');
  const std::string_view permissions = cut_at(line, ':');
  const std::string_view number = line;
  const bool named = !name.empty() || !number.empty();
  AclEntry entry;
  if (kind == "user") {
    entry.tag = named ? 0x02 : 0x01;
  } else if (kind == "group") {
    entry.tag = named ? 0x08 : 0x04;
  } else if (kind == "mask" && !named) {
    entry.tag = 0x10;
  } else if (kind == "other" && !named) {
    entry.tag = 0x20;
  } else {
    return broken("an access list is none");
  }
  if (named) entry.id = TRY(acl_id(number, name));
  if (permissions.size() != 3) return broken("an access list is none");
  for (std::size_t i = 0; i < 3; ++i) {
    if (permissions[i] == "rwx"[i]) {
      entry.permissions = static_cast<std::uint16_t>(entry.permissions | (4U >> i));
    } else if (permissions[i] != '-') {
      return broken("an access list is none");
    }
  }
  return entry;
}

Result<ForeignSnapshot> parse_archive(json::Reader& reader) {
  ForeignSnapshot archive;
  snapshot::Snapshot& record = archive.record;
  TRY(reader.enter_object());
  while (const auto key = TRY(reader.next_key())) {
    if (*key == "name") {
      archive.name = TRY(reader.string());
    } else if (*key == "id") {
      archive.id = TRY(reader.string());
    } else if (*key == "start") {
      record.started = TRY(naive_time_of(reader));
    } else if (*key == "end") {
      record.finished = TRY(naive_time_of(reader));
    } else if (*key == "hostname" && !reader.take_null()) {
      record.host = TRY(reader.string());
    } else if (*key == "username" && !reader.take_null()) {
      record.user = TRY(reader.string());
    } else if (*key != "hostname" && *key != "username") {
      TRY(reader.skip());
    }
  }
  const bool named = StrongId<struct ArchiveIdTag>::from_hex(archive.id).has_value();
  constexpr std::size_t kTextMax = 4096;
  const bool short_enough =
      std::ranges::all_of(std::array{&archive.name, &record.host, &record.user},
                          [](const std::string* text) { return text->size() <= kTextMax; });
  if (!named || archive.name.empty() || !short_enough ||
      archive.name.find('\0') != std::string::npos)
    return broken("an archive has no name");
  return archive;
}

}  // namespace

Result<std::string> decoded(std::string text) {
  if (!text.starts_with('\x7f')) return text;
  const auto bytes = from_hex(std::string_view(text).substr(1));
  if (!bytes) return broken("a byte string is none");
  return std::string(as_text(*bytes));
}

Result<std::optional<Bytes>> parse_acl(std::string_view text, bool is_default) {
  std::vector<AclEntry> entries;
  while (!text.empty()) {
    std::string_view line = cut_at(text, '\n');
    line = line.substr(0, std::min(line.find('#'), line.size()));
    while (!line.empty() && (line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
    if (!line.empty()) entries.push_back(TRY(parse_acl_line(line)));
  }
  if (entries.empty() || (entries.size() <= 3 && !is_default)) return std::nullopt;
  std::ranges::sort(entries);
  std::ranges::sort(entries, [](const AclEntry& one, const AclEntry& other) {
    return std::pair(one.tag, one.id) < std::pair(other.tag, other.id);
  });
  Bytes acl;
  append_le<std::uint32_t>(acl, 2);
  for (const AclEntry& entry : entries) {
    append_le(acl, entry.tag);
    append_le(acl, entry.permissions);
    append_le(acl, entry.id);
  }
  return acl;
}

Result<Item> parse_item(std::string_view text) {
  json::Reader reader(text);
  ItemDraft draft;
  TRY(reader.enter_object());
  while (const auto key = TRY(reader.next_key())) TRY(read_field(reader, *key, draft));
  TRY(reader.finish());
  if (draft.item.path.empty() || draft.item.path.find('\0') != std::string::npos)
    return broken("an item has no path");
  const auto type = type_of(draft.mode);
  if (!type) return std::move(draft.item);
  Entry& entry = draft.entry;
  entry.type = *type;
  entry.mode = static_cast<std::uint32_t>(draft.mode & 07777);
  std::ranges::sort(entry.xattrs, {}, &snapshot::ExtendedAttribute::name);
  if (*type == EntryType::kFile) entry.size_bytes = draft.size;
  if (*type == EntryType::kCharDevice || *type == EntryType::kBlockDevice)
    entry.special_device = device_number(draft.rdev);
  if (*type == EntryType::kSymlink) {
    entry.symlink_target = std::move(draft.source);
  } else if (*type != EntryType::kDirectory) {
    draft.item.link_to = std::move(draft.source);
  }
  draft.item.entry = std::move(entry);
  return std::move(draft.item);
}

Result<ArchiveHead> parse_head(std::string_view text) {
  json::Reader reader(text);
  ArchiveHead head;
  TRY(reader.enter_object());
  while (const auto key = TRY(reader.next_key())) {
    if (*key != "_meta") {
      TRY(reader.skip());
      continue;
    }
    TRY(reader.enter_object());
    while (const auto field = TRY(reader.next_key())) {
      if (*field == "comment") {
        head.comment = TRY(text_of(reader));
      } else if (*field == "time") {
        head.started = TRY(naive_time_of(reader));
      } else if (*field == "time_end") {
        head.finished = TRY(naive_time_of(reader));
      } else {
        TRY(reader.skip());
      }
    }
  }
  TRY(reader.finish());
  return head;
}

Result<std::vector<ForeignSnapshot>> parse_list(std::string_view text) {
  json::Reader reader(text);
  std::vector<ForeignSnapshot> archives;
  std::string repository;
  TRY(reader.enter_object());
  while (const auto key = TRY(reader.next_key())) {
    if (*key == "archives") {
      TRY(reader.enter_array());
      while (TRY(reader.next_element())) archives.push_back(TRY(parse_archive(reader)));
    } else if (*key == "repository") {
      TRY(reader.enter_object());
      while (const auto field = TRY(reader.next_key())) {
        if (*field == "id")
          repository = TRY(reader.string());
        else
          TRY(reader.skip());
      }
    } else {
      TRY(reader.skip());
    }
  }
  TRY(reader.finish());
  if (!from_hex(repository) || repository.empty()) return broken("the repository has no id");
  for (ForeignSnapshot& one : archives) {
    one.record.origin = "borg:" + repository + "/" + one.id;
  }
  // borg lists them by their exact times, of which it says only the seconds.
  std::vector<std::pair<Timestamp, std::size_t>> order;
  for (std::size_t i = 0; i < archives.size(); ++i)
    order.emplace_back(archives[i].record.started, i);
  std::ranges::sort(order);
  std::vector<ForeignSnapshot> sorted;
  sorted.reserve(archives.size());
  for (const auto& [started, number] : order) sorted.push_back(std::move(archives[number]));
  return sorted;
}

}  // namespace backstay::foreign::borg
