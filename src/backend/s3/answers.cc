#include "backend/s3/answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <pugixml.hpp>

#include "base/try.h"

namespace backstay::backend::s3 {
namespace {

// Answers come with and without a namespace and its prefix.
std::string_view local_name(const pugi::xml_node& node) {
  const std::string_view name = node.name();
  const std::size_t colon = name.find(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

pugi::xml_node child(const pugi::xml_node& node, std::string_view name) {
  return node.find_child([&](const pugi::xml_node& one) { return local_name(one) == name; });
}

std::string text(const pugi::xml_node& node, std::string_view name) {
  return child(node, name).child_value();
}

std::unexpected<Error> broken(std::string_view what) {
  return fail(ErrorCode::kCorruption, fmt::format("the store's answer has no good {}", what));
}

// The document must outlive what is taken from it.
pugi::xml_node root_of(pugi::xml_document& document, ByteView xml, std::string_view name) {
  const auto parsed = document.load_buffer(
      xml.data(), xml.size(),
      pugi::parse_minimal | pugi::parse_escapes | pugi::parse_eol | pugi::parse_cdata,
      pugi::encoding_utf8);
  return parsed ? child(document, name) : pugi::xml_node();
}

Result<Timestamp> parse_moment(const std::string& written) {
  const bool rfc3339 = written.size() >= 20 && written.contains('T');
  Result<Timestamp> time = parse_time(written, {});
  if (!rfc3339 || !time) return broken("time");
  time->nanos = 0;
  return time;
}

std::string escaped(std::string_view value) {
  std::string out;
  for (const char c : value) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

template <typename Number>
Result<Number> number(const pugi::xml_node& node, std::string_view name) {
  const std::string written = text(node, name);
  Number value = 0;
  const auto [end, error] = std::from_chars(written.data(), written.data() + written.size(), value);
  if (error != std::errc{} || end != written.data() + written.size()) return broken(name);
  return value;
}

Result<ListedKey> parse_key(const pugi::xml_node& node) {
  ListedKey listed{.key = text(node, "Key"),
                   .size_bytes = TRY(number<std::uint64_t>(node, "Size")),
                   .modified = {}};
  if (listed.key.empty()) return broken("key");
  listed.modified = TRY(parse_moment(text(node, "LastModified")));
  return listed;
}

}  // namespace

ErrorAnswer parse_error(ByteView xml) {
  pugi::xml_document document;
  pugi::xml_node root = root_of(document, xml, "Error");
  // The service of tokens has it one deeper.
  if (!root) root = child(root_of(document, xml, "ErrorResponse"), "Error");
  return {text(root, "Code"), text(root, "Message"), text(root, "Region"), text(root, "Endpoint")};
}

Result<ListPage> parse_list(ByteView xml) {
  pugi::xml_document document;
  const pugi::xml_node root = root_of(document, xml, "ListBucketResult");
  if (!root) return broken("list");
  ListPage page;
  for (const pugi::xml_node node : root.children()) {
    if (local_name(node) == "Contents") page.keys.push_back(TRY(parse_key(node)));
  }
  // A list that may go on must not be taken for a whole one.
  const std::string truncated = text(root, "IsTruncated");
  if (truncated != "true" && truncated != "false") return broken("word of whether it is the end");
  const std::string count = text(root, "KeyCount");
  if (!count.empty() && count != std::to_string(page.keys.size())) return broken("number of keys");
  if (truncated == "true") {
    page.next = text(root, "NextContinuationToken");
    if (page.next.empty()) return broken("token of the next page");
  }
  return page;
}

Result<std::string> parse_upload_id(ByteView xml) {
  pugi::xml_document document;
  std::string id = text(root_of(document, xml, "InitiateMultipartUploadResult"), "UploadId");
  if (id.empty()) return broken("id of the upload");
  return id;
}

Result<PartsPage> parse_parts(ByteView xml) {
  pugi::xml_document document;
  const pugi::xml_node root = root_of(document, xml, "ListPartsResult");
  if (!root) return broken("list of parts");
  PartsPage page;
  for (const pugi::xml_node node : root.children()) {
    if (local_name(node) != "Part") continue;
    ListedPart part{.number = TRY(number<int>(node, "PartNumber")),
                    .size_bytes = TRY(number<std::uint64_t>(node, "Size")),
                    .etag = text(node, "ETag")};
    if (part.number < 1 || part.etag.empty()) return broken("part");
    page.parts.push_back(std::move(part));
  }
  if (text(root, "IsTruncated") == "true") {
    page.next = text(root, "NextPartNumberMarker");
    if (page.next.empty()) return broken("number of the next page");
  }
  return page;
}

Result<std::vector<ListedUpload>> parse_uploads(ByteView xml) {
  pugi::xml_document document;
  const pugi::xml_node root = root_of(document, xml, "ListMultipartUploadsResult");
  if (!root) return broken("list of uploads");
  std::vector<ListedUpload> uploads;
  for (const pugi::xml_node node : root.children()) {
    if (local_name(node) != "Upload") continue;
    ListedUpload upload{.key = text(node, "Key"), .id = text(node, "UploadId"), .begun = {}};
    upload.begun = TRY(parse_moment(text(node, "Initiated")));
    if (upload.key.empty() || upload.id.empty()) return broken("upload");
    uploads.push_back(std::move(upload));
  }
  return uploads;
}

Result<void> parse_completed(ByteView xml) {
  const ErrorAnswer error = parse_error(xml);
  if (!error.code.empty()) {
    return fail(ErrorCode::kUnavailable, fmt::format("{}: {}", error.code, error.message));
  }
  pugi::xml_document document;
  if (!root_of(document, xml, "CompleteMultipartUploadResult")) return broken("result");
  return {};
}

Result<std::optional<Retention>> parse_retention(ByteView xml) {
  pugi::xml_document document;
  const pugi::xml_node root = root_of(document, xml, "Retention");
  if (!root) return broken("retention");
  Retention retention{.mode = text(root, "Mode"), .until = {}};
  const std::string until = text(root, "RetainUntilDate");
  if (retention.mode.empty() && until.empty()) return std::optional<Retention>();
  retention.until = TRY(parse_moment(until));
  return retention;
}

std::string retention_body(std::string_view mode, Timestamp until) {
  // Whole seconds: not every store reads fractions.
  const std::string moment =
      format_rfc3339(until).substr(0, std::string_view("2026-11-22T10:30:00").size());
  return fmt::format(
      "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>{}</Mode>"
      "<RetainUntilDate>{}Z</RetainUntilDate></Retention>",
      mode, moment);
}

Result<LegalHold> parse_legal_hold(ByteView xml) {
  pugi::xml_document document;
  const std::string status = text(root_of(document, xml, "LegalHold"), "Status");
  if (status == "ON") return LegalHold::kOn;
  if (status == "OFF") return LegalHold::kOff;
  return broken("legal hold");
}

std::string legal_hold_body(LegalHold hold) {
  return fmt::format(
      "<LegalHold xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>{}</Status>"
      "</LegalHold>",
      hold == LegalHold::kOn ? "ON" : "OFF");
}

bool parse_lock_enabled(ByteView xml) {
  pugi::xml_document document;
  const pugi::xml_node root = root_of(document, xml, "ObjectLockConfiguration");
  return text(root, "ObjectLockEnabled") == "Enabled";
}

Answer parse_versioning(ByteView xml) {
  pugi::xml_document document;
  const pugi::xml_node root = root_of(document, xml, "VersioningConfiguration");
  if (!root) return Answer::kUnknown;
  const std::string status = text(root, "Status");
  if (status == "Enabled") return Answer::kYes;
  return status.empty() || status == "Suspended" ? Answer::kNo : Answer::kUnknown;
}

Result<Credentials> parse_assumed_role(ByteView xml) {
  pugi::xml_document document;
  pugi::xml_node result = child(root_of(document, xml, "AssumeRoleWithWebIdentityResponse"),
                                "AssumeRoleWithWebIdentityResult");
  if (!result) result = child(root_of(document, xml, "AssumeRoleResponse"), "AssumeRoleResult");
  const pugi::xml_node found = child(result, "Credentials");
  Credentials credentials{.access_key = text(found, "AccessKeyId"),
                          .secret_key = text(found, "SecretAccessKey"),
                          .session_token = text(found, "SessionToken")};
  if (credentials.access_key.empty() || credentials.secret_key.empty()) {
    return broken("credentials");
  }
  credentials.expires = TRY(parse_moment(text(found, "Expiration")));
  return credentials;
}

std::string completion_body(const std::vector<UploadedPart>& parts) {
  std::string xml = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (const UploadedPart& part : parts) {
    xml += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", part.number,
                       escaped(part.etag));
  }
  return xml + "</CompleteMultipartUpload>";
}

std::string creation_body(std::string_view region) {
  return fmt::format(
      "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
      "<LocationConstraint>{}</LocationConstraint></CreateBucketConfiguration>",
      escaped(region));
}

}  // namespace backstay::backend::s3
