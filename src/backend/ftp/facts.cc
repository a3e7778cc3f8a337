#include "backend/ftp/facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "base/try.h"

namespace backstay::backend::ftp {
namespace {

using remote::Entry;
using remote::Kind;

std::unexpected<Error> senseless(std::string_view what) {
  return fail(ErrorCode::kCorruption, fmt::format("the server's answer has no good {}", what));
}

std::string in_small_letters(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return out;
}

Result<std::uint64_t> parse_number(std::string_view text, std::string_view what) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return senseless(what);
  return number;
}

// Whether the thing is itself one of what is in its folder.
enum class Place : std::uint8_t { kInside, kTheFolder };

// "modify=20261122171318;size=6;type=file; name"
Result<Place> parse_facts(std::string_view line, Entry& entry) {
  const std::size_t blank = line.find(' ');
  if (blank == std::string_view::npos || blank + 1 == line.size()) return senseless("name");
  entry.name = line.substr(blank + 1);
  Place place = Place::kInside;
  bool has_type = false;
  for (std::string_view left = line.substr(0, blank); !left.empty();) {
    const std::string_view fact = left.substr(0, left.find(';'));
    left.remove_prefix(std::min(left.size(), fact.size() + 1));
    const std::size_t equals = fact.find('=');
    if (equals == std::string_view::npos) return senseless("fact");
    const std::string name = in_small_letters(fact.substr(0, equals));
    const std::string_view value = fact.substr(equals + 1);
    if (name == "type") {
      const std::string type = in_small_letters(value);
      has_type = true;
      if (type == "cdir" || type == "pdir") place = Place::kTheFolder;
      const bool folder = type == "dir" || place == Place::kTheFolder;
      entry.kind = folder ? Kind::kFolder : type == "file" ? Kind::kFile : Kind::kOther;
    } else if (name == "size") {
      entry.size_bytes = TRY(parse_number(value, "size"));
    } else if (name == "modify") {
      entry.modified = TRY(parse_moment(value));
    }
  }
  // Without it the thing would be taken for nothing, and a list for shorter than it is.
  if (!has_type) return senseless("type");
  return place;
}

// Calls `each` with every line; false when the last one does not end.
template <typename Each>
Result<bool> for_each_line(std::string_view text, const Each& each) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return false;
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    text.remove_prefix(end + 1);
    if (!line.empty()) TRY(each(line));
  }
  return true;
}

std::string_view last_component(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace

Result<Timestamp> parse_moment(std::string_view text) {
  constexpr std::size_t kDigits = 14;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const bool whole = text.size() == kDigits || (text.size() > kDigits + 1 && text[kDigits] == '.');
  if (!whole || !std::ranges::all_of(text.substr(0, kDigits), is_digit)) return senseless("time");
  const auto number = [&](std::size_t from, std::size_t digits) {
    int value = 0;
    std::from_chars(text.data() + from, text.data() + from + digits, value);
    return value;
  };
  const std::chrono::year_month_day day(std::chrono::year(number(0, 4)),
                                        std::chrono::month(static_cast<unsigned>(number(4, 2))),
                                        std::chrono::day(static_cast<unsigned>(number(6, 2))));
  const int hour = number(8, 2);
  const int minute = number(10, 2);
  const int second = number(12, 2);
  if (!day.ok() || hour > 23 || minute > 59 || second > 60) return senseless("time");
  const std::int64_t days = std::chrono::sys_days(day).time_since_epoch().count();
  return Timestamp{.seconds = ((days * 24 + hour) * 60 + minute) * 60 + second, .nanos = 0};
}

Result<std::vector<Entry>> parse_machine_list(std::string_view text) {
  std::vector<Entry> entries;
  const bool whole = TRY(for_each_line(text, [&](std::string_view line) -> Result<void> {
    Entry entry;
    const Place place = TRY(parse_facts(line, entry));
    entry.name = last_component(entry.name);
    const bool self = place == Place::kTheFolder || entry.name == "." || entry.name == "..";
    if (!self) entries.push_back(std::move(entry));
    return {};
  }));
  if (!whole) return senseless("end");
  return entries;
}

Result<Entry> parse_machine_reply(std::string_view text) {
  std::optional<Entry> found;
  const std::string lines = std::string(text) + "\n";
  TRY(for_each_line(lines, [&](std::string_view line) -> Result<void> {
    if (!line.starts_with(' ') || found) return {};
    Entry entry;
    TRY(parse_facts(line.substr(1), entry));
    entry.name.clear();
    found = std::move(entry);
    return {};
  }));
  if (!found) return senseless("facts");
  return *std::move(found);
}

Result<std::vector<std::string>> parse_names(std::string_view text) {
  std::vector<std::string> names;
  const bool whole = TRY(for_each_line(text, [&](std::string_view line) -> Result<void> {
    const std::string_view name = last_component(line);
    if (name.empty() || name.contains('\0') || name.contains('\r')) return senseless("name");
    if (name != "." && name != "..") names.emplace_back(name);
    return {};
  }));
  if (!whole) return senseless("end");
  return names;
}

bool names_itself(std::string_view text) {
  bool found = false;
  const auto looked = for_each_line(text, [&](std::string_view line) -> Result<void> {
    found = found || last_component(line) == ".";
    return {};
  });
  return looked && found;
}

Result<std::uint64_t> parse_size_reply(std::string_view text) {
  constexpr std::string_view kStart = "213 ";
  if (!text.starts_with(kStart)) return senseless("size");
  return parse_number(text.substr(kStart.size()), "size");
}

Result<Timestamp> parse_time_reply(std::string_view text) {
  constexpr std::string_view kStart = "213 ";
  if (!text.starts_with(kStart)) return senseless("time");
  return parse_moment(text.substr(kStart.size()));
}

bool has_feature(std::string_view reply, std::string_view word) {
  bool found = false;
  const std::string lines = std::string(reply) + "\n";
  const auto looked = for_each_line(lines, [&](std::string_view line) -> Result<void> {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    const std::string first = in_small_letters(line.substr(0, line.find_first_of(" ;")));
    found = found || first == in_small_letters(word);
    return {};
  });
  return looked && found;
}

}  // namespace backstay::backend::ftp
