#include "config/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/try.h"

namespace backstay::config {
namespace {

constexpr std::array<std::string_view, 7> kWeekdays{"sunday",   "monday", "tuesday", "wednesday",
                                                    "thursday", "friday", "saturday"};
constexpr std::array<std::string_view, 12> kMonths{"january",   "february", "march",    "april",
                                                   "may",       "june",     "july",     "august",
                                                   "september", "october",  "november", "december"};
constexpr const char* kForms =
    "say hourly, daily, weekly, monthly, or five fields as cron has them, for example '30 2 * * *'";

std::unexpected<Error> wrong(std::string what) {
  return fail(ErrorCode::kInvalidArgument, std::move(what));
}

// A name in full, or its first three letters, whatever the case.
template <std::size_t kCount>
std::optional<unsigned> index_of(const std::array<std::string_view, kCount>& names,
                                 std::string_view text) {
  std::string low(text);
  for (char& c : low) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  for (std::size_t i = 0; i < kCount; ++i) {
    if (low == names[i] || (low.size() == 3 && names[i].starts_with(low)))
      return static_cast<unsigned>(i);
  }
  return std::nullopt;
}

std::optional<unsigned> number_in(std::string_view text) {
  unsigned value = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc{} || stopped != end) return std::nullopt;
  return value;
}

struct Field {
  std::string_view name;
  unsigned low;
  unsigned high;
};

Result<unsigned> value_in(std::string_view text, const Field& field) {
  auto value = number_in(text);
  if (!value && field.name == "day of the week") value = index_of(kWeekdays, text);
  if (!value && field.name == "month") {
    value = index_of(kMonths, text);
    if (value) ++*value;
  }
  if (value && *value >= field.low && *value <= field.high) return *value;
  return wrong(
      fmt::format("'{}' is no {} (from {} to {})", text, field.name, field.low, field.high));
}

// One item of a list: *, A, A-B, with /STEP behind the first and the last.
template <std::size_t kBits>
Result<void> add_item(std::string_view item, const Field& field, std::bitset<kBits>& to) {
  const std::size_t slash = std::min(item.find('/'), item.size());
  const std::string_view range = item.substr(0, slash);
  unsigned step = 1;
  if (slash < item.size()) {
    const auto given = number_in(item.substr(slash + 1));
    if (!given || *given == 0) return wrong(fmt::format("'{}' has no step after '/'", item));
    step = *given;
  }
  unsigned first = field.low;
  unsigned last = field.high;
  const std::size_t dash = range.find('-');
  if (range != "*") {
    first = TRY(value_in(range.substr(0, dash), field));
    last = dash == range.npos ? first : TRY(value_in(range.substr(dash + 1), field));
    if (dash == range.npos && slash < item.size())
      return wrong(fmt::format("'{}': a step is for * or a range", item));
    if (last < first) return wrong(fmt::format("'{}' ends before it begins", item));
  }
  for (unsigned value = first; value <= last; value += step) to.set(value % kBits);
  return {};
}

template <std::size_t kBits>
Result<void> read_field(std::string_view text, const Field& field, std::bitset<kBits>& to) {
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    TRY(add_item(text.substr(0, comma), field, to));
    text.remove_prefix(comma);
    if (text == ",") return wrong("a list ends in a comma");
    if (!text.empty()) text.remove_prefix(1);
  }
  return {};
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  for (;;) {
    const std::size_t begin = text.find_first_not_of(" \t");
    if (begin == text.npos) return words;
    text.remove_prefix(begin);
    const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

Result<Schedule> parse_cron(std::string_view text) {
  const auto words = words_of(text);
  if (words.size() != 5) return wrong(fmt::format("'{}': {}", text, kForms));
  Schedule schedule;
  TRY(read_field(words[0], {"minute", 0, 59}, schedule.minutes));
  TRY(read_field(words[1], {"hour", 0, 23}, schedule.hours));
  TRY(read_field(words[2], {"day of the month", 1, 31}, schedule.days));
  TRY(read_field(words[3], {"month", 1, 12}, schedule.months));
  // 7 is Sunday, too.
  TRY(read_field(words[4], {"day of the week", 0, 7}, schedule.weekdays));
  return schedule;
}

struct TimeOfDay {
  unsigned hour = 2;
  unsigned minute = 0;
};

Result<TimeOfDay> parse_time(std::string_view text) {
  const std::size_t colon = std::min(text.find(':'), text.size());
  const auto hour = number_in(text.substr(0, colon));
  const auto minute = colon < text.size() ? number_in(text.substr(colon + 1)) : std::nullopt;
  if (hour && minute && *hour < 24 && *minute < 60 && text.size() == colon + 3)
    return TimeOfDay{.hour = *hour, .minute = *minute};
  return wrong(fmt::format("'{}' is no time of the day: write HH:MM in quotes", text));
}

Result<Schedule> every(std::string_view how, std::optional<TimeOfDay> at, std::string_view day) {
  const TimeOfDay time = at.value_or(TimeOfDay());
  if (how == "hourly") {
    if (!day.empty() || (at && at->hour != 0))
      return wrong("hourly takes the minute only: at: \"00:MM\"");
    return parse_cron(fmt::format("{} * * * *", time.minute));
  }
  const std::string start = fmt::format("{} {}", time.minute, time.hour);
  if (how == "daily") {
    if (!day.empty()) return wrong("daily is every day: leave 'day' out");
    return parse_cron(start + " * * *");
  }
  if (how == "weekly") return parse_cron(fmt::format("{} * * {}", start, day.empty() ? "0" : day));
  if (how != "monthly") return wrong(fmt::format("'{}': {}", how, kForms));
  const auto number = day.empty() ? 1U : number_in(day).value_or(0);
  if (number < 1 || number > 28)
    return wrong("the day of a month is from 1 to 28, which every month has");
  return parse_cron(fmt::format("{} {} * *", start, number));
}

bool is_word(std::string_view text) {
  return text == "hourly" || text == "daily" || text == "weekly" || text == "monthly";
}

template <std::size_t kBits>
bool has_all(const std::bitset<kBits>& set, unsigned low) {
  return set.count() == kBits - low;
}

template <std::size_t kBits>
std::string list_of(const std::bitset<kBits>& set, unsigned low, const char* form) {
  if (has_all(set, low)) return "*";
  std::string out;
  for (std::size_t i = low; i < kBits; ++i) {
    if (!set.test(i)) continue;
    if (!out.empty()) out += ',';
    out += fmt::format(fmt::runtime(form), i);
  }
  return out;
}

std::string names_of(const std::bitset<7>& weekdays) {
  constexpr std::array<const char*, 7> kShort{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  std::string out;
  for (std::size_t i = 0; i < kShort.size(); ++i) {
    if (!weekdays.test(i)) continue;
    if (!out.empty()) out += ',';
    out += kShort[i];
  }
  return out;
}

}  // namespace

Result<Schedule> parse_schedule(std::string_view text) {
  return is_word(text) ? every(text, std::nullopt, "") : parse_cron(text);
}

Result<Schedule> read_schedule(const Value& value) {
  const auto text_at = [&](std::string_view key) {
    const Value* const found = value.find(key);
    return found != nullptr ? found->text : std::string();
  };
  if (value.kind == Value::Kind::kText) {
    Schedule schedule = TRY(parse_schedule(value.text));
    schedule.random_delay = "15m";
    return schedule;
  }
  const std::string cron = text_at("cron");
  const std::string how = text_at("every");
  const std::string at = text_at("at");
  if (cron.empty() == how.empty()) return wrong("say one of 'every' and 'cron'");
  if (!cron.empty() && (!at.empty() || value.find("day") != nullptr))
    return wrong("a cron expression says the time and the day itself");
  std::optional<TimeOfDay> time;
  if (!at.empty()) time = TRY(parse_time(at));
  Schedule schedule = TRY(cron.empty() ? every(how, time, text_at("day")) : parse_cron(cron));
  schedule.random_delay = text_at("random_delay");
  if (schedule.random_delay.empty()) schedule.random_delay = "15m";
  return schedule;
}

std::vector<std::string> calendar_events(const Schedule& schedule) {
  const std::string months = list_of(schedule.months, 1, "{:02}");
  const std::string time = fmt::format("{}:{}:00", list_of(schedule.hours, 0, "{:02}"),
                                       list_of(schedule.minutes, 0, "{:02}"));
  const auto event = [&](std::string_view weekdays, std::string_view days) {
    return fmt::format("{}{}*-{}-{} {}", weekdays, weekdays.empty() ? "" : " ", months, days, time);
  };
  const std::string days = list_of(schedule.days, 1, "{:02}");
  if (schedule.weekdays.all()) return {event("", days)};
  const std::string weekdays = names_of(schedule.weekdays);
  if (days == "*") return {event(weekdays, "*")};
  return {event("", days), event(weekdays, "*")};
}

std::string cron_fields(const Schedule& schedule) {
  return fmt::format("{} {} {} {} {}", list_of(schedule.minutes, 0, "{}"),
                     list_of(schedule.hours, 0, "{}"), list_of(schedule.days, 1, "{}"),
                     list_of(schedule.months, 1, "{}"), list_of(schedule.weekdays, 0, "{}"));
}

}  // namespace backstay::config
