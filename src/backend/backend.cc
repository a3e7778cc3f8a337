#include "backend/backend.h"

#include <fmt/format.h>

#include "base/try.h"

namespace backstay::backend {
namespace {

constexpr std::size_t kNameMax = 200;

bool is_name(std::string_view name) {
  if (name.empty() || name.size() > kNameMax) return false;
  bool component_begun = false;
  for (const char c : name) {
    const bool ordinary = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    if (!ordinary && (c != '/' || !component_begun)) return false;
    component_begun = ordinary;
  }
  return component_begun;
}

}  // namespace

Result<void> Backend::put_streamed(std::string_view name, const StreamedBytes& bytes) {
  const Bytes all = TRY(gathered(bytes));
  return put(name, all);
}

Result<void> Backend::adopt(std::string_view /*name*/) {
  return {};
}

Result<void> Backend::adopt_names(std::string_view prefix) {
  return validate_prefix(prefix);
}

Result<void> Backend::retain(std::string_view name, Timestamp /*until*/) {
  return fail(
      ErrorCode::kUnsupported,
      fmt::format("{} cannot keep {} from being removed: it has no object lock", describe(), name));
}

Result<std::optional<Timestamp>> Backend::retention(std::string_view name) {
  TRY(head(name));
  return std::nullopt;
}

Result<void> Backend::set_legal_hold(std::string_view name, LegalHold /*hold*/) {
  return fail(ErrorCode::kUnsupported,
              fmt::format("{} has no legal holds: {} cannot be put under one", describe(), name));
}

Result<LegalHold> Backend::legal_hold(std::string_view name) {
  TRY(head(name));
  return LegalHold::kOff;
}

Result<void> Backend::set_append_only(AppendOnly /*mode*/) {
  return std::unexpected(
      Error(ErrorCode::kUnsupported, describe() + " has no append-only mode")
          .with_hint("Give clients credentials of the store that cannot delete, or lock objects."));
}

Result<Keeping> Backend::keeping() {
  Keeping found;
  const bool by_store = capabilities().append_only;
  TRY(list("", [&](const ObjectInfo& info) -> Result<void> {
    if (may_go_from_append_only(info.name)) return {};
    ++found.objects;
    if (by_store) ++found.by_store;
    return {};
  }));
  return found;
}

bool may_go_from_append_only(std::string_view name) {
  return name.starts_with("leases/");
}

Result<std::string> Backend::mark(std::string_view name) {
  TRY(validate_replaceable(name));
  return fail(ErrorCode::kUnsupported, describe() + " replaces nothing");
}

Result<void> Backend::replace(std::string_view name, std::string_view /*mark*/,
                              ByteView /*bytes*/) {
  TRY(validate_replaceable(name));
  return fail(ErrorCode::kUnsupported, describe() + " replaces nothing");
}

Result<Answer> Backend::versions() {
  return Answer::kUnknown;
}

Result<Space> Backend::space() {
  return Space{};
}

std::unexpected<Error> refuse_retained(std::string_view where, std::string_view name,
                                       Timestamp until) {
  return std::unexpected(
      Error(ErrorCode::kPermissionDenied,
            fmt::format("{} keeps {} until {}", where, name, format_rfc3339(until)))
          .with_hint("It is locked and goes when that time has come by the store's clock."));
}

std::unexpected<Error> refuse_legal_hold(std::string_view where, std::string_view name) {
  return std::unexpected(
      Error(ErrorCode::kPermissionDenied,
            fmt::format("{} keeps {} under a legal hold", where, name))
          .with_hint("'backstay release' of the snapshots that were held ends it."));
}

std::unexpected<Error> refuse_append_only(std::string_view where, std::string_view name) {
  return std::unexpected(
      Error(ErrorCode::kPermissionDenied,
            fmt::format("{} is append-only: {} is not removed", where, name))
          .with_hint("Whoever owns the store turns that off with backstay append-only off."));
}

std::unexpected<Error> refuse_late_lists(std::string_view where, std::string_view what) {
  return std::unexpected(
      Error(ErrorCode::kUnsupported,
            fmt::format("{} may list objects only some time after they came or went: {} removes "
                        "by what is listed, and is refused",
                        where, what))
          .with_hint("Nothing was changed. Backups, restores and checks go on; docs/backends/ says "
                     "which stores list at once, and what to do where this one does."));
}

Result<void> validate_name(std::string_view name) {
  if (is_name(name)) return {};
  return fail(ErrorCode::kInvalidArgument, fmt::format("'{}' is not an object name", name));
}

Result<void> validate_replaceable(std::string_view name) {
  TRY(validate_name(name));
  if (name.starts_with("leases/")) return {};
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{} is an object of a repository, and never changed", name));
}

Result<void> validate_prefix(std::string_view prefix) {
  if (prefix.empty()) return {};
  if (prefix.ends_with('/') && is_name(prefix.substr(0, prefix.size() - 1))) return {};
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("'{}' is not a prefix of object names", prefix));
}

}  // namespace backstay::backend
