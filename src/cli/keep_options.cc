#include "cli/keep_options.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <utility>

#include "base/byte_size.h"
#include "base/try.h"
#include "cli/snapshot_choice.h"
#include "policy/calendar.h"

namespace backstay::cli {
namespace {

// A number, or all of them.
Option count_option(std::string names, std::uint64_t& target, std::string help) {
  return {.names = std::move(names),
          .value = "N",
          .help = std::move(help),
          .set = [&target](std::string_view given) -> Result<void> {
            constexpr std::uint64_t kCountMax = 1'000'000'000;
            if (given == "unlimited" || given == "-1") {
              target = policy::kUnlimited;
              return {};
            }
            std::uint64_t parsed = 0;
            const char* const end = given.data() + given.size();
            const auto [stopped, error] = std::from_chars(given.data(), end, parsed);
            if (error != std::errc{} || stopped != end || parsed > kCountMax) {
              return fail(ErrorCode::kInvalidArgument,
                          fmt::format("'{}' is neither a whole number nor unlimited", given));
            }
            target = parsed;
            return {};
          }};
}

Option period_option(std::string names, std::optional<policy::Period>& target, std::string help) {
  return {.names = std::move(names),
          .value = "SPAN",
          .help = std::move(help),
          .set = [&target](std::string_view given) -> Result<void> {
            target = TRY(policy::parse_period(given));
            return {};
          }};
}

}  // namespace

void append_span_options(std::vector<Option>& options, policy::Retention& to) {
  options.push_back(period_option("--keep-within", to.within,
                                  "keep all of this span before the newest one (7d, 1y6m, 36h)"));
  for (std::size_t i = 0; i < policy::kCalendars.size(); ++i) {
    const std::string_view calendar = to_string(policy::kCalendars[i]);
    options.push_back(period_option(fmt::format("--keep-within-{}", calendar), to.within_each[i],
                                    fmt::format("keep one {} of this span", calendar)));
  }
}

void append_rule_options(std::vector<Option>& options, policy::Retention& to) {
  using policy::Calendar;
  options.push_back(count_option("-l,--keep-last", to.last, "keep the newest N (or unlimited)"));
  const std::array<std::pair<const char*, const char*>, policy::kCalendars.size()> names{
      {{"-H,--keep-hourly", "hours"},
       {"-d,--keep-daily", "days"},
       {"-w,--keep-weekly", "weeks (they begin on Monday)"},
       {"-m,--keep-monthly", "months"},
       {"-y,--keep-yearly", "years"}}};
  for (std::size_t i = 0; i < names.size(); ++i) {
    options.push_back(
        count_option(names[i].first, to.counts[i],
                     fmt::format("keep the newest of each of the last N {}", names[i].second)));
  }
  append_span_options(options, to);
  options.push_back({.names = "--keep-tag",
                     .value = "TAG",
                     .help = "keep those with this tag (a,b: with both; repeated: with any)",
                     .set = [&to](std::string_view given) -> Result<void> {
                       std::vector<std::string> tags = split_tags({std::string(given)});
                       if (tags.empty())
                         return fail(ErrorCode::kInvalidArgument, "there is no tag in it");
                       to.tags.push_back(std::move(tags));
                       return {};
                     },
                     .counts = Counts::kAll});
  options.push_back({.names = "--keep-within-size",
                     .value = "SIZE",
                     .help = "keep the newest that together stored no more than this",
                     .set = [&to](std::string_view given) -> Result<void> {
                       const std::uint64_t size = TRY(parse_byte_size(given));
                       if (size == 0)
                         return fail(ErrorCode::kInvalidArgument, "a size of 0 keeps nothing");
                       to.size_bytes = size;
                       return {};
                     }});
}

}  // namespace backstay::cli
