#include "backend/webdav/answers.h"

#include <fmt/format.h>

#include <charconv>
#include <pugixml.hpp>

#include "base/try.h"
#include "http/date.h"
#include "http/url.h"

namespace backstay::backend::webdav {
namespace {

using remote::Entry;
using remote::Kind;

// Servers choose the prefix of the namespace.
std::string_view plain_name(const pugi::xml_node& node) {
  const std::string_view name = node.name();
  const std::size_t colon = name.find(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

pugi::xml_node part(const pugi::xml_node& node, std::string_view name) {
  return node.find_child([&](const pugi::xml_node& one) { return plain_name(one) == name; });
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::unexpected<Error> no_good(std::string_view what) {
  return fail(ErrorCode::kCorruption, fmt::format("the server's answer has no good {}", what));
}

// The path of "http://host/a%20b/" or "/a%20b/", decoded, without the slash at its end.
Result<std::string> path_in(std::string_view href) {
  if (const std::size_t scheme = href.find("://"); scheme < href.find('/')) {
    const std::size_t slash = href.find('/', scheme + 3);
    href = slash == std::string_view::npos ? "/" : href.substr(slash);
  }
  auto path = http::percent_decoded(href);
  if (!path || !path->starts_with('/')) return no_good("address");
  while (path->size() > 1 && path->ends_with('/')) path->pop_back();
  return *std::move(path);
}

// "HTTP/1.1 200 OK"
bool is_good(std::string_view status) {
  const std::size_t blank = status.find(' ');
  return blank != std::string_view::npos && status.substr(blank + 1).starts_with('2');
}

// Says whether the kind was among them.
Result<bool> take_properties(const pugi::xml_node& properties, Entry& entry) {
  bool has_kind = false;
  for (const pugi::xml_node node : properties.children()) {
    const std::string_view name = plain_name(node);
    const std::string_view text = trimmed(node.child_value());
    if (name == "resourcetype") {
      has_kind = true;
      entry.kind = part(node, "collection") ? Kind::kFolder
                   : node.first_child()     ? Kind::kOther
                                            : Kind::kFile;
    } else if (name == "getcontentlength") {
      std::uint64_t size = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
      if (error != std::errc{} || end != text.data() + text.size()) return no_good("length");
      entry.size_bytes = size;
    } else if (name == "getlastmodified") {
      entry.modified = TRY(http::parse_http_date(text));
    }
  }
  return has_kind;
}

Result<Entry> parse_response(const pugi::xml_node& response) {
  Entry entry;
  bool has_kind = false;
  for (const pugi::xml_node node : response.children()) {
    if (plain_name(node) != "propstat") continue;
    if (!is_good(trimmed(part(node, "status").child_value()))) continue;
    if (TRY(take_properties(part(node, "prop"), entry))) has_kind = true;
  }
  // Without its kind it would be taken for nothing, and a list for shorter than it is.
  if (!has_kind) return no_good("kind of what is there");
  return entry;
}

// The name within the folder `path`; empty for the folder itself.
Result<std::string> name_within(const std::string& found, std::string_view path) {
  if (found == path) return std::string();
  std::string_view rest = found;
  const std::size_t start = path == "/" ? 1 : path.size() + 1;
  const bool below = found.starts_with(path) && found.size() > start && found[start - 1] == '/';
  if (below) rest.remove_prefix(start);
  if (below && !rest.contains('/')) return std::string(rest);
  return std::unexpected(
      Error(ErrorCode::kUnsupported, "the server tells of another place than was asked for")
          .with_hint("Does something between here and the server change addresses? Use the "
                     "address that the server itself has."));
}

}  // namespace

std::string_view propfind_body() {
  return R"(<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop><resourcetype/>)"
         R"(<getcontentlength/><getlastmodified/></prop></propfind>)";
}

Result<std::vector<Entry>> parse_multistatus(ByteView xml, std::string_view path) {
  pugi::xml_document document;
  const auto parsed = document.load_buffer(
      xml.data(), xml.size(),
      pugi::parse_minimal | pugi::parse_escapes | pugi::parse_eol | pugi::parse_cdata,
      pugi::encoding_utf8);
  const pugi::xml_node root = parsed ? part(document, "multistatus") : pugi::xml_node();
  if (!root) return no_good("multistatus");
  std::vector<Entry> entries(1);
  bool has_itself = false;
  for (const pugi::xml_node node : root.children()) {
    if (plain_name(node) != "response") continue;
    const std::string found = TRY(path_in(trimmed(part(node, "href").child_value())));
    std::string name = TRY(name_within(found, path));
    Entry entry = TRY(parse_response(node));
    if (name.empty()) {
      if (has_itself) return no_good("list: it has the folder twice");
      has_itself = true;
      entries[0] = std::move(entry);
      continue;
    }
    entry.name = std::move(name);
    entries.push_back(std::move(entry));
  }
  if (!has_itself) return no_good("word of what was asked for");
  return entries;
}

}  // namespace backstay::backend::webdav
