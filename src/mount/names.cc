#include "mount/names.h"

#include <fmt/format.h>

#include <algorithm>

#include "crypto/hash.h"
#include "snapshot/tree_key.h"

namespace backstay::mount {

namespace {

constexpr std::size_t kPlainTextMax = 80;

}  // namespace

bool can_be_served(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.size() <= snapshot::kNameBytesMax &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

std::string name_of_time(Timestamp time) {
  std::string text = format_rfc3339({.seconds = time.seconds, .nanos = 0});
  text.erase(std::min(text.find_first_of(".Z"), text.size()));
  std::ranges::replace(text, ':', '-');
  return text + "Z";
}

std::string folder_name(std::string_view text) {
  std::string name;
  const bool only_dots = text == "." || text == "..";
  for (const char byte : text.substr(0, kPlainTextMax)) {
    const auto value = static_cast<unsigned char>(byte);
    const bool escaped = value < 0x20 || value == 0x7f || byte == '/' || byte == '%' || only_dots;
    if (escaped)
      name += fmt::format("%{:02X}", value);
    else
      name += byte;
  }
  if (text.empty()) return "%";
  if (text.size() > kPlainTextMax)
    name = name.substr(0, kPlainTextMax) + "%" +
           to_hex(ByteView(crypto::blake3(as_bytes(text)).bytes).first(8));
  return name;
}

std::string version_name(std::string_view snapshot, std::uint64_t size_bytes,
                         std::string_view file) {
  std::string name = fmt::format("{}_{}_", snapshot, size_bytes);
  const std::size_t room = snapshot::kNameBytesMax - std::min(name.size(), snapshot::kNameBytesMax);
  if (file.size() > room) file.remove_prefix(file.size() - room);
  return name.append(file);
}

}  // namespace backstay::mount
