#include "snapshot/tree_key.h"

#include <algorithm>

#include "base/try.h"

namespace backstay::snapshot {

namespace {

constexpr char kSeparator = '\0';

Result<void> validate_component(std::string_view name) {
  if (name.empty()) return fail(ErrorCode::kCorruption, "a path has an empty component");
  if (name == "." || name == "..") {
    return fail(ErrorCode::kCorruption, "a path has the component '" + std::string(name) + "'");
  }
  if (name.size() > kNameBytesMax) {
    return fail(ErrorCode::kCorruption, "a path has a component of more than 255 bytes");
  }
  if (name.find('/') != std::string_view::npos) {
    return fail(ErrorCode::kCorruption, "a path has a component that contains '/'");
  }
  return {};
}

}  // namespace

std::string key_from_path(std::string_view path) {
  if (path.starts_with('/')) path.remove_prefix(1);
  std::string key(path);
  std::ranges::replace(key, '/', kSeparator);
  return key;
}

std::string path_from_key(std::string_view key) {
  std::string path;
  path.reserve(key.size() + 1);
  path += '/';
  path += key;
  std::ranges::replace(path, kSeparator, '/');
  return path;
}

std::string_view name_of_key(std::string_view key) {
  const std::size_t separator = key.rfind(kSeparator);
  return separator == std::string_view::npos ? key : key.substr(separator + 1);
}

std::string_view parent_of_key(std::string_view key) {
  const std::size_t separator = key.rfind(kSeparator);
  return separator == std::string_view::npos ? std::string_view() : key.substr(0, separator);
}

std::string child_key(std::string_view parent, std::string_view name) {
  std::string key;
  key.reserve(parent.size() + 1 + name.size());
  key += parent;
  if (!parent.empty()) key += kSeparator;
  key += name;
  return key;
}

bool is_within(std::string_view key, std::string_view folder) {
  if (folder.empty()) return true;
  return key.starts_with(folder) &&
         (key.size() == folder.size() || key[folder.size()] == kSeparator);
}

std::string key_after_subtree(std::string_view folder) {
  // Everything is within the root. A component has at most 255 bytes, so no key reaches this one.
  if (folder.empty()) return std::string(kNameBytesMax + 1, '\xff');
  std::string key(folder);
  key += static_cast<char>(kSeparator + 1);
  return key;
}

Result<void> validate_key(std::string_view key) {
  return validate_key_from(key, 0);
}

Result<void> validate_key_from(std::string_view key, std::size_t valid_bytes) {
  if (key.size() > kKeyBytesMax) return fail(ErrorCode::kCorruption, "a path is longer than 1 MiB");
  if (key.empty()) return {};
  // The component in which the known part ends may go on differently: check it again from its
  // start.
  const std::size_t separator = key.substr(0, valid_bytes).rfind(kSeparator);
  std::size_t start = separator == std::string_view::npos ? 0 : separator + 1;
  while (true) {
    const std::size_t end = std::min(key.find(kSeparator, start), key.size());
    TRY(validate_component(key.substr(start, end - start)));
    if (end == key.size()) return {};
    start = end + 1;
  }
}

std::string clean_path(std::string_view path, std::string_view current_directory) {
  std::string joined;
  if (!path.starts_with('/')) {
    joined += current_directory;
    joined += '/';
  }
  joined += path;

  std::string clean;
  for (std::size_t start = 0; start < joined.size();) {
    const std::size_t end = std::min(joined.find('/', start), joined.size());
    const std::string_view component = std::string_view(joined).substr(start, end - start);
    if (component == "..") {
      clean.resize(clean.empty() ? 0 : clean.rfind('/'));
    } else if (!component.empty() && component != ".") {
      clean += '/';
      clean += component;
    }
    start = end + 1;
  }
  return clean.empty() ? "/" : clean;
}

}  // namespace backstay::snapshot
