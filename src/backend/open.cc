#include "backend/open.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "backend/local_backend.h"
#include "base/hex.h"
#include "base/try.h"
#include "io/file.h"
#include "io/machine.h"

namespace backstay::backend {
namespace {

// "s3" of "s3://bucket"; empty for a path. A path with a colon before its first slash needs "./".
std::string_view scheme_of(std::string_view url) {
  const std::size_t end = url.find_first_of(":/");
  if (end == std::string_view::npos || url[end] == '/') return {};
  return url.substr(0, end);
}

Result<std::string> percent_decoded(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (text.front() != '%') {
      out += text.front();
      text.remove_prefix(1);
      continue;
    }
    std::string digits(text.substr(1, 2));
    std::ranges::transform(digits, digits.begin(), [](char c) {
      return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c;
    });
    const Result<Bytes> byte = from_hex(digits);
    if (!byte || byte->size() != 1 || byte->front() == 0) {
      return fail(ErrorCode::kInvalidArgument, "a % must be followed by two hexadecimal digits");
    }
    out += as_text(*byte);
    text.remove_prefix(3);
  }
  return out;
}

Result<std::string> path_of_file_url(std::string_view url) {
  constexpr std::string_view kStart = "file://";
  std::string_view rest = url;
  if (rest.starts_with(kStart)) rest.remove_prefix(kStart.size());
  if (rest.starts_with("localhost/")) rest.remove_prefix(std::string_view("localhost").size());
  if (!url.starts_with(kStart) || !rest.starts_with('/')) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, fmt::format("{} is not the URL of a folder", url))
            .with_hint("Write file:///path with three slashes, or simply the path."));
  }
  return TRY_DOING(fmt::format("reading the URL {}", url), percent_decoded(rest));
}

Result<std::string> path_of(std::string_view url) {
  if (url.empty() || url.contains('\0')) {
    return fail(ErrorCode::kInvalidArgument, "the URL of the repository is empty");
  }
  const std::string_view scheme = scheme_of(url);
  if (scheme == "file") return path_of_file_url(url);
  if (!scheme.empty()) {
    // Only the scheme is shown: the rest may hold credentials.
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument,
              fmt::format("repositories of the kind '{}:' are not supported", scheme))
            .with_hint("This version keeps repositories in folders: give /path or file:///path (or "
                       "./name for a name with a colon)."));
  }
  if (url.front() == '/') return std::string(url);
  return TRY(io::current_directory()) + "/" + std::string(url);
}

}  // namespace

Result<void> check_is_free(std::string_view url) {
  const std::string path = TRY(path_of(url));
  const auto names = io::list_directory(path);
  // Where there is no folder, or none that may be read, the attempt to make one says what is wrong.
  if (!names || std::ranges::find(*names, "config") != names->end()) return {};
  for (const std::string& name : *names) {
    if (name == "lost+found" || name == "keys" || name.starts_with(io::kTemporaryPrefix)) continue;
    return std::unexpected(
        Error(ErrorCode::kAlreadyExists,
              fmt::format("the folder {} is not empty: it holds {}", path, name))
            .with_hint("A repository has a folder of its own: choose an empty one, or one that "
                       "does not exist yet."));
  }
  return {};
}

Result<std::unique_ptr<Backend>> open_backend(std::string_view url, OpenKind kind) {
  std::string path = TRY(path_of(url));
  if (kind == OpenKind::kCreate) return TRY(LocalBackend::create(std::move(path)));
  return TRY(LocalBackend::open(std::move(path)));
}

}  // namespace backstay::backend
