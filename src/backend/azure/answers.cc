#include "backend/azure/answers.h"

#include <fmt/format.h>

#include <charconv>
#include <pugixml.hpp>

#include "base/try.h"
#include "http/date.h"

namespace backstay::backend::azure {
namespace {

std::unexpected<Error> lacks(std::string_view what) {
  return fail(ErrorCode::kCorruption, fmt::format("the store's list has no good {}", what));
}

Result<ListedBlob> parse_blob(const pugi::xml_node& node) {
  const pugi::xml_node properties = node.child("Properties");
  ListedBlob blob{.name = node.child("Name").child_value(), .size_bytes = 0, .modified = {}};
  // A name that XML cannot hold comes encoded, and is none of ours.
  if (blob.name.empty()) return lacks("name");
  const std::string_view size = properties.child("Content-Length").child_value();
  const auto [end, error] =
      std::from_chars(size.data(), size.data() + size.size(), blob.size_bytes);
  if (error != std::errc{} || end != size.data() + size.size()) return lacks("size");
  blob.modified = TRY(http::parse_http_date(properties.child("Last-Modified").child_value()));
  return blob;
}

}  // namespace

Result<BlobPage> parse_blobs(ByteView xml) {
  pugi::xml_document document;
  const auto parsed = document.load_buffer(
      xml.data(), xml.size(),
      pugi::parse_minimal | pugi::parse_escapes | pugi::parse_eol | pugi::parse_cdata,
      pugi::encoding_utf8);
  const pugi::xml_node root = parsed ? document.child("EnumerationResults") : pugi::xml_node();
  if (!root || !root.child("Blobs")) return lacks("beginning");
  // A list that may go on must not be taken for a whole one.
  if (!root.child("NextMarker")) return lacks("word of whether it is the end");
  BlobPage page;
  for (const pugi::xml_node node : root.child("Blobs").children("Blob")) {
    page.blobs.push_back(TRY(parse_blob(node)));
  }
  page.next = root.child("NextMarker").child_value();
  return page;
}

std::string block_list_body(const std::vector<std::string>& ids) {
  std::string xml = "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>";
  for (const std::string& id : ids) xml += fmt::format("<Uncommitted>{}</Uncommitted>", id);
  return xml + "</BlockList>";
}

}  // namespace backstay::backend::azure
