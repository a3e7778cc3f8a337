#include "backend/backend.h"

#include <fmt/format.h>

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

Result<void> validate_name(std::string_view name) {
  if (is_name(name)) return {};
  return fail(ErrorCode::kInvalidArgument, fmt::format("'{}' is not an object name", name));
}

Result<void> validate_prefix(std::string_view prefix) {
  if (prefix.empty()) return {};
  if (prefix.ends_with('/') && is_name(prefix.substr(0, prefix.size() - 1))) return {};
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("'{}' is not a prefix of object names", prefix));
}

}  // namespace backstay::backend
