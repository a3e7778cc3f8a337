#include "cli/exit_code.h"

namespace backstay::cli {

ExitCode exit_code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return ExitCode::kWrongUsage;
    case ErrorCode::kNoRepository:
      return ExitCode::kNoRepository;
    case ErrorCode::kConflict:
      return ExitCode::kNoLease;
    case ErrorCode::kWrongKey:
      return ExitCode::kWrongKey;
    case ErrorCode::kCorruption:
      return ExitCode::kDamage;
    case ErrorCode::kCancelled:
      return ExitCode::kInterrupted;
    case ErrorCode::kNotFound:
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kUnavailable:
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kUnsupported:
    case ErrorCode::kNoSpace:
    case ErrorCode::kInternal:
      return ExitCode::kFailed;
  }
  return ExitCode::kFailed;
}

}  // namespace backstay::cli
