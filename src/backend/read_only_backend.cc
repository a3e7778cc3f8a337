#include "backend/read_only_backend.h"

#include <fmt/format.h>

#include "base/try.h"

namespace backstay::backend {

std::unexpected<Error> ReadOnlyBackend::refuse(std::string_view what) const {
  return std::unexpected(
      Error(ErrorCode::kPermissionDenied, fmt::format("{} is used read-only: {}", describe(), what))
          .with_hint("This needs to write to the repository: leave --read-only out."));
}

Result<void> ReadOnlyBackend::put(std::string_view name, std::span<const ByteView> /*pieces*/) {
  TRY(validate_name(name));
  return refuse(fmt::format("{} is not made", name));
}

Result<void> ReadOnlyBackend::put_streamed(std::string_view name, const StreamedBytes& /*bytes*/) {
  return put(name, std::span<const ByteView>());
}

// What is not synced by this process is not touched.
Result<void> ReadOnlyBackend::adopt(std::string_view name) {
  return validate_name(name);
}

Result<void> ReadOnlyBackend::adopt_names(std::string_view prefix) {
  return validate_prefix(prefix);
}

Result<void> ReadOnlyBackend::remove(std::string_view name) {
  TRY(validate_name(name));
  return refuse(fmt::format("{} is not removed", name));
}

Result<void> ReadOnlyBackend::retain(std::string_view name, Timestamp /*until*/) {
  TRY(validate_name(name));
  return refuse(fmt::format("{} is not kept longer", name));
}

Result<void> ReadOnlyBackend::set_legal_hold(std::string_view name, LegalHold /*hold*/) {
  TRY(validate_name(name));
  return refuse(fmt::format("the legal hold of {} stays as it is", name));
}

Result<void> ReadOnlyBackend::replace(std::string_view name, std::string_view /*mark*/,
                                      ByteView /*bytes*/) {
  TRY(validate_replaceable(name));
  return refuse(fmt::format("{} is not replaced", name));
}

Result<void> ReadOnlyBackend::set_append_only(AppendOnly /*mode*/) {
  return refuse("its mode stays");
}

}  // namespace backstay::backend
