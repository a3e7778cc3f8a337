// What S3 stores say in XML. Everything here is hostile: sizes are limited by who reads it, nothing
// is fetched or expanded, and what is missing or no number is corruption.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/s3/signature.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"

namespace backstay::backend::s3 {

// <Error>; all empty when it is none.
struct ErrorAnswer {
  std::string code;     // "NoSuchKey"
  std::string message;  // for people
  std::string region;   // where the bucket is
  std::string host;     // where it wants to be asked
};
[[nodiscard]] ErrorAnswer parse_error(ByteView xml);

struct ListedKey {
  std::string key;
  std::uint64_t size_bytes = 0;
  Timestamp modified;  // to the second, as other answers have it
};
struct ListPage {
  std::vector<ListedKey> keys;
  std::string next;  // the token of the next page; empty at the end
};
Result<ListPage> parse_list(ByteView xml);

// <InitiateMultipartUploadResult>
Result<std::string> parse_upload_id(ByteView xml);

// <ListPartsResult>: what is there of an upload.
struct ListedPart {
  int number = 0;
  std::uint64_t size_bytes = 0;
  std::string etag;
};
struct PartsPage {
  std::vector<ListedPart> parts;
  std::string next;  // the number after which the next page begins; empty at the end
};
Result<PartsPage> parse_parts(ByteView xml);

// <ListMultipartUploadsResult>: uploads that nobody has ended. Only a first page is ever asked for.
struct ListedUpload {
  std::string key;
  std::string id;
  Timestamp begun;
};
Result<std::vector<ListedUpload>> parse_uploads(ByteView xml);

// Whether <CompleteMultipartUploadResult> is what it says: stores answer 200 before they know, and
// put an <Error> into it. unavailable then.
Result<void> parse_completed(ByteView xml);

struct Retention {
  std::string mode;  // "GOVERNANCE" or "COMPLIANCE"
  Timestamp until;
};
// Nothing where the answer has none.
Result<std::optional<Retention>> parse_retention(ByteView xml);
[[nodiscard]] std::string retention_body(std::string_view mode, Timestamp until);

// <LegalHold>
Result<LegalHold> parse_legal_hold(ByteView xml);
[[nodiscard]] std::string legal_hold_body(LegalHold hold);

// Whether <ObjectLockConfiguration> says that it is enabled.
[[nodiscard]] bool parse_lock_enabled(ByteView xml);

// <VersioningConfiguration>: whether versions are kept from now on. Of a bucket that never kept
// any it is empty. kUnknown when it is something else.
[[nodiscard]] Answer parse_versioning(ByteView xml);

// <AssumeRoleResponse> or <AssumeRoleWithWebIdentityResponse>
Result<Credentials> parse_assumed_role(ByteView xml);

struct UploadedPart {
  int number = 0;
  std::string etag;
};
[[nodiscard]] std::string completion_body(const std::vector<UploadedPart>& parts);
[[nodiscard]] std::string creation_body(std::string_view region);

}  // namespace backstay::backend::s3
