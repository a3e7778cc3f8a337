// What the answers of stores mean.
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "backend/remote/status.h"
#include "backend/s3/bucket.h"

namespace backstay::backend::s3 {
namespace {

struct Meaning {
  std::string_view code;
  ErrorCode is;
  std::string_view hint;
};

constexpr std::string_view kCheckSecret =
    "Check AWS_SECRET_ACCESS_KEY (or the profile): it does not belong to the access key.";
constexpr std::string_view kCheckAccess =
    "Check AWS_ACCESS_KEY_ID (or the profile) and that the endpoint is the right one.";
constexpr std::string_view kGetNew = "Get new credentials: these have ended.";
constexpr std::string_view kDamagedOnTheWay = "What arrived is not what was sent.";

constexpr std::array kMeanings{
    Meaning{"NoSuchKey", ErrorCode::kNotFound, ""},
    Meaning{"NoSuchVersion", ErrorCode::kNotFound, ""},
    Meaning{"NoSuchBucket", ErrorCode::kNoRepository,
            "Check the bucket and the endpoint in the URL; 'backstay init' makes the bucket."},
    Meaning{"PreconditionFailed", ErrorCode::kAlreadyExists, ""},
    Meaning{"ConditionalRequestConflict", ErrorCode::kUnavailable, ""},
    Meaning{"OperationAborted", ErrorCode::kUnavailable, ""},
    Meaning{"InvalidAccessKeyId", ErrorCode::kPermissionDenied, kCheckAccess},
    Meaning{"SignatureDoesNotMatch", ErrorCode::kPermissionDenied, kCheckSecret},
    Meaning{"ExpiredToken", ErrorCode::kPermissionDenied, kGetNew},
    Meaning{"TokenRefreshRequired", ErrorCode::kPermissionDenied, kGetNew},
    Meaning{"InvalidToken", ErrorCode::kPermissionDenied, kGetNew},
    Meaning{"RequestTimeTooSkewed", ErrorCode::kPermissionDenied,
            "The clocks of this machine and of the store differ too much: set this one right."},
    Meaning{"AccessDenied", ErrorCode::kPermissionDenied,
            "docs/backends/s3.md has the rights that a backup needs."},
    Meaning{"AllAccessDisabled", ErrorCode::kPermissionDenied, ""},
    Meaning{"AccountProblem", ErrorCode::kPermissionDenied, ""},
    Meaning{"InvalidObjectState", ErrorCode::kUnsupported,
            "The object is in an archive class: restore it there first, and do not move objects of "
            "a repository to such a class."},
    Meaning{"BadDigest", ErrorCode::kUnavailable, kDamagedOnTheWay},
    Meaning{"XAmzContentSHA256Mismatch", ErrorCode::kUnavailable, kDamagedOnTheWay},
    Meaning{"XAmzContentChecksumMismatch", ErrorCode::kUnavailable, kDamagedOnTheWay},
    Meaning{"IncompleteBody", ErrorCode::kUnavailable, kDamagedOnTheWay},
    Meaning{"RequestTimeout", ErrorCode::kUnavailable, ""},
    Meaning{"NoSuchUpload", ErrorCode::kUnavailable, ""},
    Meaning{"InternalError", ErrorCode::kUnavailable, ""},
    Meaning{"SlowDown", ErrorCode::kUnavailable, ""},
    Meaning{"ServiceUnavailable", ErrorCode::kUnavailable, ""},
    Meaning{"QuotaExceeded", ErrorCode::kNoSpace, "The store's quota is used up."},
    Meaning{"XMinioStorageFull", ErrorCode::kNoSpace, "The store's disks are full."},
    Meaning{"InvalidRange", ErrorCode::kCorruption, ""},
    Meaning{"NotImplemented", ErrorCode::kUnsupported, ""},
    Meaning{"EntityTooLarge", ErrorCode::kInvalidArgument, ""},
    Meaning{"InvalidStorageClass", ErrorCode::kInvalidArgument,
            "The store does not know the storage_class in the URL."},
    Meaning{"InvalidBucketName", ErrorCode::kInvalidArgument, ""},
};

constexpr remote::StatusMeaning kStatuses[] = {
    {.status = 409, .code = ErrorCode::kUnavailable},  // somebody does the same at this moment
    {.status = 412, .code = ErrorCode::kAlreadyExists},
    {.status = 425, .code = ErrorCode::kUnavailable},
};

}  // namespace

Error error_of(int status, const ErrorAnswer& answer, const std::string& what) {
  const auto* const known = std::ranges::find(kMeanings, answer.code, &Meaning::code);
  const bool is_known = known != kMeanings.end();
  const ErrorCode code = is_known ? known->is : remote::code_of_status(status, kStatuses);
  std::string said = fmt::format("{}: the store answers {}", what, status);
  if (!answer.code.empty()) said += " " + answer.code;
  if (!answer.message.empty()) said += fmt::format(" ({})", answer.message);
  Error error(code, std::move(said));
  if (is_known && !known->hint.empty()) return std::move(error).with_hint(std::string(known->hint));
  if (code == ErrorCode::kPermissionDenied) {
    // The answer to HEAD has no words.
    return std::move(error).with_hint(
        "Check the credentials, and the rights that docs/backends/s3.md asks for.");
  }
  if (status / 100 == 3) {
    return std::move(error).with_hint(
        "The store sends elsewhere: check the endpoint and the region.");
  }
  return error;
}

}  // namespace backstay::backend::s3
