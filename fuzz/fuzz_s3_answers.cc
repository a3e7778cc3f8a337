// Answers of S3 stores: whatever they say, what is taken from them is whole or refused.
#include <cstddef>
#include <cstdint>

#include "backend/s3/answers.h"
#include "backend/s3/bucket.h"
#include "base/assert.h"
#include "http/date.h"
#include "http/url.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace s3 = backstay::backend::s3;
  const backstay::ByteView xml(data, size);
  const s3::ErrorAnswer error = s3::parse_error(xml);
  static_cast<void>(s3::error_of(403, error, "x").describe());
  if (const auto page = s3::parse_list(xml)) {
    for (const s3::ListedKey& key : page->keys) ASSERT(!key.key.empty());
  }
  if (const auto id = s3::parse_upload_id(xml)) ASSERT(!id->empty());
  if (const auto page = s3::parse_parts(xml)) {
    for (const s3::ListedPart& part : page->parts) ASSERT(part.number > 0 && !part.etag.empty());
  }
  if (const auto uploads = s3::parse_uploads(xml)) {
    for (const s3::ListedUpload& one : *uploads) ASSERT(!one.key.empty() && !one.id.empty());
  }
  static_cast<void>(s3::parse_completed(xml).has_value());
  static_cast<void>(s3::parse_retention(xml).has_value());
  static_cast<void>(s3::parse_legal_hold(xml).has_value());
  static_cast<void>(s3::parse_lock_enabled(xml));
  static_cast<void>(s3::parse_versioning(xml));
  if (const auto role = s3::parse_assumed_role(xml)) ASSERT(role->expires.has_value());
  const std::string_view text = backstay::as_text(xml);
  static_cast<void>(backstay::http::parse_http_date(text).has_value());
  if (const auto url = backstay::http::parse_url(text)) ASSERT(!url->scheme.empty());
  return 0;
}
