#include "backend/azure/failure.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "backend/remote/status.h"

namespace backstay::backend::azure {
namespace {

struct Meaning {
  std::string_view code;
  ErrorCode is;
  std::string_view hint;
};

constexpr std::string_view kCheckKey =
    "Check the account, and AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN (has it ended?); the "
    "clock "
    "of this machine must be right, too.";
constexpr std::string_view kRights = "docs/backends/azure.md has the rights that a backup needs.";

constexpr std::array kMeanings{
    Meaning{"BlobNotFound", ErrorCode::kNotFound, ""},
    Meaning{"ContainerNotFound", ErrorCode::kNoRepository,
            "Check the container and the account in the URL; 'backstay init' makes the container."},
    Meaning{"BlobAlreadyExists", ErrorCode::kAlreadyExists, ""},
    Meaning{"ConditionNotMet", ErrorCode::kAlreadyExists, ""},
    Meaning{"ContainerBeingDeleted", ErrorCode::kUnavailable, ""},
    Meaning{"AuthenticationFailed", ErrorCode::kPermissionDenied, kCheckKey},
    Meaning{"NoAuthenticationInformation", ErrorCode::kPermissionDenied, kCheckKey},
    Meaning{"AuthorizationFailure", ErrorCode::kPermissionDenied, kRights},
    Meaning{"AuthorizationPermissionMismatch", ErrorCode::kPermissionDenied, kRights},
    Meaning{"InsufficientAccountPermissions", ErrorCode::kPermissionDenied, kRights},
    Meaning{"BlobImmutableDueToPolicy", ErrorCode::kPermissionDenied,
            "A policy of the container keeps it; it goes when its time has come."},
    Meaning{"BlobArchived", ErrorCode::kUnsupported,
            "The object is in the archive tier: bring it back there first, and do not move objects "
            "of a repository there."},
    Meaning{"InvalidRange", ErrorCode::kCorruption, ""},
    Meaning{"Md5Mismatch", ErrorCode::kUnavailable, "What arrived is not what was sent."},
    Meaning{"InvalidBlockList", ErrorCode::kUnavailable, ""},
    Meaning{"ServerBusy", ErrorCode::kUnavailable, ""},
    Meaning{"InternalError", ErrorCode::kUnavailable, ""},
    Meaning{"OperationTimedOut", ErrorCode::kUnavailable, ""},
    Meaning{"AccountIsDisabled", ErrorCode::kPermissionDenied, ""},
};

// The name is taken.
constexpr remote::StatusMeaning kStatuses[] = {{.status = 412, .code = ErrorCode::kAlreadyExists}};

}  // namespace

Error failure_of(const http::Response& response, const std::string& what) {
  const std::string_view word = response.header("x-ms-error-code").value_or("");
  const auto* const known = std::ranges::find(kMeanings, word, &Meaning::code);
  const bool is_known = known != kMeanings.end();
  const ErrorCode code = is_known ? known->is : remote::code_of_status(response.status, kStatuses);
  Error error(code, fmt::format("{}: the store answers {} {}", what, response.status, word));
  if (is_known && !known->hint.empty()) return std::move(error).with_hint(std::string(known->hint));
  if (code == ErrorCode::kPermissionDenied) return std::move(error).with_hint(std::string(kRights));
  return remote::with_pause(std::move(error), response);
}

}  // namespace backstay::backend::azure
