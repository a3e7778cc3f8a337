#include "compare/report.h"

#include <fmt/format.h>

#include "base/byte_size.h"
#include "io/node.h"

namespace backstay::compare {
namespace {

constexpr std::array<std::string_view, kWhatCount> kNames = {
    "existence", "type",   "mode",   "owner",      "group",  "mtime", "size",    "hole-map",
    "content",   "target", "device", "hard-links", "xattrs", "flags", "project", "readability"};

// Without the control characters that a terminal would obey.
std::string printable(std::string_view text) {
  const std::string quoted = io::quoted(text);
  return quoted.substr(1, quoted.size() - 2);
}

}  // namespace

std::string_view to_string(What what) {
  return kNames[static_cast<std::size_t>(what)];
}

std::optional<What> what_from_string(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<What>(i);
  }
  return std::nullopt;
}

void Report::difference(const std::string& path, What what, std::string_view left,
                        std::string_view right) {
  if (ignores(what)) return;
  const std::string line = fmt::format("{}: {}: {} {}\n", printable(path), to_string(what),
                                       printable(left), printable(right));
  const MutexLock lock(mutex_);
  ++totals_.differences;
  ++counts_[static_cast<std::size_t>(what)];
  std::fwrite(line.data(), 1, line.size(), out_);
}

void Report::unreadable(const std::string& path, std::string_view why) {
  difference(path, What::kReadability, why, "");
}

void Report::compared(std::uint64_t files, std::uint64_t bytes) {
  const MutexLock lock(mutex_);
  ++totals_.entries;
  totals_.files += files;
  totals_.bytes += bytes;
}

Totals Report::finish() {
  const MutexLock lock(mutex_);
  std::string kinds;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] > 0) kinds += fmt::format(", {} {}", counts_[i], kNames[i]);
  }
  if (kinds.empty()) kinds = ", identical";
  fmt::print(out_, "{} entries, {} files, {}: {}\n", totals_.entries, totals_.files,
             format_byte_size(totals_.bytes), kinds.substr(2));
  std::fflush(out_);
  return totals_;
}

}  // namespace backstay::compare
