#include "backend/local_retention.h"

#include <fmt/format.h>

#include <charconv>

#include "base/bytes.h"
#include "base/try.h"
#include "io/attributes.h"
#include "io/file.h"

namespace backstay::backend {
namespace {

constexpr const char* kAttribute = "user.backstay.retained-until";
constexpr std::uint32_t kImmutable = 0x00000010;  // FS_IMMUTABLE_FL

// Seconds, a full stop, nine digits.
std::optional<Timestamp> parse(std::string_view text) {
  constexpr std::size_t kNanoDigits = 9;
  constexpr std::uint32_t kNanos = 1'000'000'000;
  const std::size_t stop = text.find('.');
  if (stop == std::string_view::npos || text.size() - stop - 1 != kNanoDigits) return std::nullopt;
  Timestamp time;
  const char* const dot = text.data() + stop;
  const char* const end = text.data() + text.size();
  const auto seconds = std::from_chars(text.data(), dot, time.seconds);
  const auto nanos = std::from_chars(dot + 1, end, time.nanos);
  const bool whole = seconds.ec == std::errc{} && seconds.ptr == dot && nanos.ec == std::errc{} &&
                     nanos.ptr == end && time.nanos < kNanos;
  return whole ? std::optional(time) : std::nullopt;
}

}  // namespace

bool keeps_attributes(const std::string& folder) {
  const auto fd = io::open_file(folder, io::OpenMode::kRead);
  return fd && io::has_user_xattrs(fd->get());
}

bool may_make_immutable(const std::string& folder) {
  const auto fd = io::create_nameless_file(folder);
  if (!fd || !make_immutable(fd->get())) return false;
  return io::clear_protection(fd->get()).has_value();
}

Result<std::optional<Timestamp>> read_retention(int fd) {
  const auto value = TRY(io::xattr_value({fd}, kAttribute));
  if (!value) return std::nullopt;
  const std::optional<Timestamp> time = parse(as_text(*value));
  if (time) return time;
  return fail(ErrorCode::kCorruption,
              fmt::format("its attribute {} does not say until when it is kept", kAttribute));
}

Result<void> extend_retention(int fd, Timestamp until) {
  const std::optional<Timestamp> before = TRY(read_retention(fd));
  if (before && until <= *before) return {};
  TRY(io::clear_protection(fd));
  const std::string text = fmt::format("{}.{:09}", until.seconds, until.nanos);
  return io::set_xattr({fd}, kAttribute, as_bytes(text));
}

bool make_immutable(int fd) {
  const auto flags = io::inode_flags(fd);
  if (!flags) return false;
  return (*flags & kImmutable) != 0 || io::set_inode_flags(fd, *flags | kImmutable).has_value();
}

bool is_immutable(int fd) {
  const auto flags = io::inode_flags(fd);
  return flags && (*flags & kImmutable) != 0;
}

}  // namespace backstay::backend
