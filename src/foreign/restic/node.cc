#include "foreign/restic/node.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/base64.h"
#include "base/try.h"
#include "foreign/device_number.h"
#include "json/reader.h"
#include "snapshot/tree_key.h"

namespace backstay::foreign::restic {

namespace {

using snapshot::Entry;
using snapshot::EntryType;

// Go's os.FileMode.
constexpr std::uint64_t kGoSetUid = 1U << 23;
constexpr std::uint64_t kGoSetGid = 1U << 22;
constexpr std::uint64_t kGoSticky = 1U << 20;

std::unexpected<Error> broken(const char* what) {
  return fail(ErrorCode::kCorruption, what);
}

std::uint32_t mode_of_go(std::uint64_t mode) {
  auto bits = static_cast<std::uint32_t>(mode & 0777);
  if ((mode & kGoSetUid) != 0) bits |= 04000;
  if ((mode & kGoSetGid) != 0) bits |= 02000;
  if ((mode & kGoSticky) != 0) bits |= 01000;
  return bits;
}

Result<std::uint32_t> number32(json::Reader& reader) {
  const std::uint64_t value = TRY(reader.number());
  if (value > UINT32_MAX) return broken("a number is out of bounds");
  return static_cast<std::uint32_t>(value);
}

Result<Timestamp> time_of(json::Reader& reader) {
  // Relative times would count from nowhere: RFC 3339 alone has a 'T' behind the day.
  const std::string text = TRY(reader.string());
  if (text.size() < 20 || text[10] != 'T') return broken("a time is none");
  const auto time = parse_time(text, {});
  if (!time) return broken("a time is none");
  return *time;
}

Result<Id> id_of(json::Reader& reader) {
  const auto id = Id::from_hex(TRY(reader.string()));
  if (!id) return broken("an id is none");
  return *id;
}

std::optional<EntryType> type_of(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, EntryType>, 7> kTypes{
      {{"file", EntryType::kFile},
       {"dir", EntryType::kDirectory},
       {"symlink", EntryType::kSymlink},
       {"fifo", EntryType::kFifo},
       {"socket", EntryType::kSocket},
       {"chardev", EntryType::kCharDevice},
       {"dev", EntryType::kBlockDevice}}};
  const auto* const found =
      std::ranges::find(kTypes, name, [](const auto& one) { return one.first; });
  return found == kTypes.end() ? std::nullopt : std::optional(found->second);
}

Result<snapshot::ExtendedAttribute> read_xattr(json::Reader& reader) {
  snapshot::ExtendedAttribute xattr;
  TRY(reader.enter_object());
  while (const auto key = TRY(reader.next_key())) {
    if (*key == "name") {
      xattr.name = TRY(reader.string());
    } else if (*key == "value" && !reader.take_null()) {
      xattr.value = TRY(from_base64(TRY(reader.string())));
    } else if (*key != "value") {
      TRY(reader.skip());
    }
  }
  return xattr;
}

Result<std::vector<snapshot::ExtendedAttribute>> read_xattrs(json::Reader& reader) {
  std::vector<snapshot::ExtendedAttribute> xattrs;
  if (reader.take_null()) return xattrs;
  TRY(reader.enter_array());
  while (TRY(reader.next_element())) xattrs.push_back(TRY(read_xattr(reader)));
  std::ranges::sort(xattrs, {}, &snapshot::ExtendedAttribute::name);
  return xattrs;
}

Result<std::vector<Id>> read_ids(json::Reader& reader) {
  std::vector<Id> ids;
  if (reader.take_null()) return ids;
  TRY(reader.enter_array());
  while (TRY(reader.next_element())) ids.push_back(TRY(id_of(reader)));
  return ids;
}

Result<std::vector<std::string>> read_texts(json::Reader& reader) {
  std::vector<std::string> texts;
  if (reader.take_null()) return texts;
  TRY(reader.enter_array());
  while (TRY(reader.next_element())) texts.push_back(TRY(reader.string()));
  return texts;
}

struct NodeDraft {
  Node node;
  Entry entry;
  std::string type;
  std::uint64_t size = 0;
  std::uint64_t device = 0;
  std::uint64_t device_id = 0;
  std::string target;
};

// What stat(2) says; false for another key, whose value was not read.
Result<bool> read_status_field(json::Reader& reader, std::string_view key, NodeDraft& draft) {
  Entry& entry = draft.entry;
  if (key == "mode") {
    entry.mode = mode_of_go(TRY(reader.number()));
  } else if (key == "mtime") {
    entry.modified = TRY(time_of(reader));
  } else if (key == "ctime") {
    entry.changed = TRY(time_of(reader));
  } else if (key == "uid") {
    entry.uid = TRY(number32(reader));
  } else if (key == "gid") {
    entry.gid = TRY(number32(reader));
  } else if (key == "inode") {
    entry.inode = TRY(reader.number());
  } else if (key == "device_id") {
    draft.device_id = TRY(reader.number());
  } else if (key == "size") {
    draft.size = TRY(reader.number());
  } else if (key == "links") {
    entry.links = TRY(reader.number());
  } else if (key == "device") {
    draft.device = TRY(reader.number());
  } else {
    return false;
  }
  return true;
}

Result<void> read_field(json::Reader& reader, std::string_view key, NodeDraft& draft) {
  if (TRY(read_status_field(reader, key, draft))) return {};
  Node& node = draft.node;
  if (key == "name") {
    node.name = TRY(go_unquoted(TRY(reader.string())));
  } else if (key == "type") {
    draft.type = TRY(reader.string());
  } else if (key == "user") {
    node.user = TRY(reader.string());
  } else if (key == "group") {
    node.group = TRY(reader.string());
  } else if (key == "linktarget") {
    if (draft.target.empty())
      draft.target = TRY(reader.string());
    else
      TRY(reader.skip());
  } else if (key == "linktarget_raw" && !reader.take_null()) {
    draft.target = as_text(TRY(from_base64(TRY(reader.string()))));
  } else if (key == "extended_attributes") {
    draft.entry.xattrs = TRY(read_xattrs(reader));
  } else if (key == "content") {
    node.content = TRY(read_ids(reader));
  } else if (key == "subtree" && !reader.take_null()) {
    node.subtree = TRY(id_of(reader));
  } else if (key != "linktarget_raw" && key != "subtree") {
    TRY(reader.skip());
  }
  return {};
}

Result<std::uint32_t> escape_digits(std::string_view& rest, std::size_t count, int base) {
  std::uint32_t value = 0;
  if (rest.size() < count) return broken("a quoted name is cut short");
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + count, value, base);
  if (error != std::errc{} || end != rest.data() + count)
    return broken("an escape in a quoted name is none");
  rest.remove_prefix(count);
  return value;
}

Result<void> append_code_point(std::string& out, std::uint32_t code) {
  if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
    return broken("an escape in a quoted name is none");
  const auto tail = [&](unsigned shift) {
    out += static_cast<char>(0x80 | ((code >> shift) & 0x3F));
  };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    tail(6);
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    tail(12);
    tail(6);
  }
  if (code >= 0x80) tail(0);
  return {};
}

Result<void> append_go_escape(std::string& out, std::string_view& rest) {
  if (rest.empty()) return broken("a quoted name is cut short");
  const char c = rest.front();
  rest.remove_prefix(1);
  constexpr std::string_view kNames = "abfnrtv\\\"";
  constexpr std::string_view kMeant = "\a\b\f\n\r\t\v\\\"";
  if (const std::size_t at = kNames.find(c); at != std::string_view::npos) {
    out += kMeant[at];
  } else if (c == 'x') {
    out += static_cast<char>(TRY(escape_digits(rest, 2, 16)));
  } else if (c == 'u') {
    TRY(append_code_point(out, TRY(escape_digits(rest, 4, 16))));
  } else if (c == 'U') {
    TRY(append_code_point(out, TRY(escape_digits(rest, 8, 16))));
  } else {
    return broken("an escape in a quoted name is none");
  }
  return {};
}

Result<void> read_snapshot_field(json::Reader& reader, std::string_view key,
                                 ForeignSnapshot& snapshot) {
  snapshot::Snapshot& record = snapshot.record;
  if (key == "time") {
    record.started = TRY(time_of(reader));
  } else if (key == "tree") {
    snapshot.tree = TRY(id_of(reader)).hex();
  } else if (key == "paths") {
    record.paths = TRY(read_texts(reader));
  } else if (key == "hostname") {
    record.host = TRY(reader.string());
  } else if (key == "username") {
    record.user = TRY(reader.string());
  } else if (key == "excludes") {
    record.excludes = TRY(read_texts(reader));
  } else if (key == "tags") {
    record.tags = TRY(read_texts(reader));
  } else if (key == "program_version") {
    record.program = TRY(reader.string());
  } else {
    TRY(reader.skip());
  }
  return {};
}

}  // namespace

Result<std::string> go_unquoted(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c == '"' || c == '\n') return broken("a quoted name ends too soon");
    if (c == '\\') {
      TRY(append_go_escape(out, text));
    } else {
      out += c;
    }
  }
  return out;
}

Result<Node> parse_node(std::string_view text) {
  json::Reader reader(text);
  NodeDraft draft;
  TRY(reader.enter_object());
  while (const auto key = TRY(reader.next_key())) TRY(read_field(reader, *key, draft));
  TRY(reader.finish());
  const std::string_view name = draft.node.name;
  if (name.find('\0') != std::string_view::npos || name.empty()) return broken("a name is none");
  TRY(snapshot::validate_key(name));
  const auto type = type_of(draft.type);
  if (!type) return std::move(draft.node);
  Entry& entry = draft.entry;
  entry.type = *type;
  if (*type == EntryType::kFile) entry.size_bytes = draft.size;
  if (*type == EntryType::kSymlink) entry.symlink_target = std::move(draft.target);
  if (*type == EntryType::kCharDevice || *type == EntryType::kBlockDevice)
    entry.special_device = device_number(draft.device);
  if (*type == EntryType::kDirectory || entry.links == 0) entry.links = 1;
  if (entry.links > 1) entry.device = draft.device_id;
  if (*type != EntryType::kFile) draft.node.content.clear();
  if (*type == EntryType::kDirectory && !draft.node.subtree) return broken("a folder has no tree");
  if (*type != EntryType::kDirectory) draft.node.subtree.reset();
  draft.node.entry = std::move(entry);
  return std::move(draft.node);
}

Result<ForeignSnapshot> parse_snapshot(const Id& id, std::string_view text) {
  json::Reader reader(text);
  ForeignSnapshot snapshot;
  snapshot.id = id.hex();
  TRY(reader.enter_object());
  while (const auto key = TRY(reader.next_key())) TRY(read_snapshot_field(reader, *key, snapshot));
  TRY(reader.finish());
  if (snapshot.tree.empty()) return broken("the snapshot names no tree");
  snapshot::Snapshot& record = snapshot.record;
  record.finished = record.started;
  const auto is_empty = [](const std::string& one) { return one.empty(); };
  std::erase_if(record.tags, is_empty);
  std::erase_if(record.excludes, is_empty);
  std::ranges::sort(record.tags);
  const auto repeated = std::ranges::unique(record.tags);
  record.tags.erase(repeated.begin(), repeated.end());
  return snapshot;
}

}  // namespace backstay::foreign::restic
