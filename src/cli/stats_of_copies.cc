#include "cli/stats_of_copies.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/try.h"
#include "cli/console.h"
#include "cli/output_json.h"
#include "cli/output_text.h"
#include "cli/place_set.h"
#include "cli/running.h"
#include "cli/session.h"
#include "cli/table.h"
#include "engine/copies.h"
#include "engine/copy.h"
#include "engine/series.h"
#include "json/json.h"
#include "policy/copy_digits.h"

namespace backstay::cli {
namespace {

// Checks that read everything once a month, with some days to spare, are enough.
constexpr std::chrono::hours kVerifiedFor{35 * 24};

struct Seen {
  const policy::Place* place = nullptr;
  bool primary = false;
  std::optional<repo::RepositoryId> repository = {};  // what else there is is known only with it
  engine::Holdings holdings = {};
  std::optional<Error> failure = {};
  std::uint64_t has = 0;  // snapshots of the set
  std::uint64_t lacks = 0;
  engine::Currency currency = {};
  std::uint64_t gone = 0;    // of the primary: that copies have from it, and it has not any more
  std::string same_as = {};  // the place before it that is the same repository
};

Result<void> look(Context& context, Running& running, Seen& seen) {
  const auto repository = TRY(open_repository(context));
  seen.holdings = TRY(engine::holdings_of(*repository, kVerifiedFor, running.activity()));
  seen.repository = repository->config().id;
  return {};
}

Result<std::vector<Seen>> look_at_all(Context& context, Running& running) {
  const InSet& in_set = *context.in_set;
  std::vector<Seen> all;
  all.push_back({.place = &in_set.set.primary, .primary = true});
  for (const policy::Place& copy : in_set.set.copies) all.push_back({.place = &copy});
  for (Seen& seen : all) {
    PlaceContext there(in_set, *seen.place);
    const Result<void> looked = look(there.context(), running, seen);
    if (looked) continue;
    if (looked.error().code() == ErrorCode::kCancelled)
      return std::unexpected(looked.error().clone());
    seen.failure = looked.error().clone();
  }
  return all;
}

// The snapshots of the set are those of its primary; where that cannot be asked, those that any
// copy has. A copy's own backups are none of them.
struct WholeSet {
  repo::RepositoryId repository;
  std::vector<repo::StoredSnapshot> snapshots;
  std::set<std::string> origins;
};

WholeSet whole_of(const std::vector<Seen>& all) {
  WholeSet whole;
  const bool primary_is_there = all.front().repository.has_value();
  for (const Seen& seen : all) {
    if (!seen.repository || (primary_is_there && &seen != &all.front())) continue;
    whole.repository = *seen.repository;
    for (const repo::StoredSnapshot& one : seen.holdings.snapshots) {
      if (!primary_is_there && one.snapshot.origin.empty()) continue;
      if (whole.origins.insert(engine::origin_of(*seen.repository, one)).second)
        whole.snapshots.push_back(one);
    }
  }
  return whole;
}

// What copies have from the primary, and it has not any more.
std::vector<repo::StoredSnapshot> gone_from(const Seen& primary, const std::vector<Seen>& all) {
  const std::string from_it = fmt::format("backstay:{}/", primary.repository->hex());
  std::set<std::string> known = primary.holdings.origins;
  std::vector<repo::StoredSnapshot> gone;
  for (const Seen& seen : all) {
    for (const repo::StoredSnapshot& one : seen.holdings.snapshots) {
      const std::string& origin = one.snapshot.origin;
      if (origin.starts_with(from_it) && known.insert(origin).second) gone.push_back(one);
    }
  }
  return gone;
}

// By what the places are to be current: what is gone from the primary may have been lost there, if
// it was not all of a source, which is rather a machine that is no more.
std::vector<repo::StoredSnapshot> with_gone(std::vector<repo::StoredSnapshot> snapshots,
                                            const std::vector<repo::StoredSnapshot>& gone) {
  std::set<engine::Series> sources;
  for (const repo::StoredSnapshot& one : snapshots) sources.insert(engine::series_of(one.snapshot));
  for (const repo::StoredSnapshot& one : gone) {
    if (sources.empty() || sources.contains(engine::series_of(one.snapshot)))
      snapshots.push_back(one);
  }
  return snapshots;
}

// Addresses do not tell: a link, another name of the same machine.
void find_twins(std::vector<Seen>& all) {
  for (auto one = all.begin(); one != all.end(); ++one) {
    if (!one->repository) continue;
    const auto twin = std::ranges::find(all.begin(), one, one->repository, &Seen::repository);
    if (twin != one) one->same_as = twin->place->name;
  }
}

void compare_with_whole(std::vector<Seen>& all, Timestamp now) {
  find_twins(all);
  WholeSet whole = whole_of(all);
  Seen& primary = all.front();
  if (primary.repository) {
    const auto gone = gone_from(primary, all);
    primary.gone = gone.size();
    whole.snapshots = with_gone(std::move(whole.snapshots), gone);
  }
  for (Seen& seen : all) {
    if (!seen.repository) continue;
    seen.has = static_cast<std::uint64_t>(std::ranges::count_if(
        whole.origins, [&](const auto& origin) { return seen.holdings.origins.contains(origin); }));
    seen.lacks = whole.origins.size() - seen.has;
    seen.currency =
        engine::currency_of(whole.repository, whole.snapshots, seen.holdings.origins, now);
  }
}

std::uint64_t damages_of(const engine::Holdings& holdings) {
  return holdings.unreadable + holdings.packs_damaged + holdings.packs_lost +
         holdings.index_damages;
}

policy::PlaceFacts facts_of(const Seen& seen) {
  policy::PlaceFacts facts = policy::facts_of(*seen.place);
  facts.primary = seen.primary;
  facts.reachable = seen.repository.has_value();
  facts.current = seen.currency.sources > 0 && seen.currency.current == seen.currency.sources;
  facts.immutable = seen.holdings.immutable;
  facts.packs = seen.holdings.packs;
  facts.packs_verified = seen.holdings.packs_verified;
  facts.damages = damages_of(seen.holdings);
  facts.same_as = seen.same_as;
  return facts;
}

std::optional<Timestamp> newest_of(const Seen& seen) {
  if (seen.holdings.snapshots.empty()) return std::nullopt;
  return seen.holdings.snapshots.back().snapshot.started;
}

// ---- for programs

json::Json place_line(const Seen& seen) {
  const engine::Holdings& holdings = seen.holdings;
  json::Json line = json::line_of("place");
  line["place"] = seen.place->name;
  line["primary"] = seen.primary;
  line["medium"] = seen.place->medium;
  line["site"] = seen.place->site;
  line["offline"] = seen.place->offline;
  line["reachable"] = seen.repository.has_value();
  if (!seen.repository) {
    line["message"] = seen.failure->describe();
    return line;
  }
  line["snapshots"] = seen.has;
  line["snapshots_lacking"] = seen.lacks;
  if (seen.primary) line["snapshots_gone"] = seen.gone;
  line["up_to_date"] = facts_of(seen).current;
  line["newest"] = time_or_null(newest_of(seen));
  line["append_only"] = holdings.append_only;
  line["immutable"] = holdings.immutable;
  line["packs"] = holdings.packs;
  line["packs_verified"] = holdings.packs_verified;
  line["verified_since"] = time_or_null(holdings.verified_since);
  line["packs_damaged"] = holdings.packs_damaged;
  line["packs_lost"] = holdings.packs_lost;
  line["index_damages"] = holdings.index_damages;
  if (!seen.same_as.empty()) line["same_repository_as"] = seen.same_as;
  line["snapshots_unreadable"] = holdings.unreadable;
  return line;
}

json::Json digits_line(const std::array<policy::Digit, 5>& digits) {
  json::Json line = json::line_of("copies");
  json::Json list = json::Json::array();
  for (const policy::Digit& digit : digits) {
    json::Json one;
    one["name"] = digit.name;
    one["wanted"] = digit.wanted;
    one["found"] = digit.found;
    one["met"] = digit.met;
    one["reason"] = digit.reason;
    one["next"] = digit.next;
    list.push_back(std::move(one));
  }
  line["met"] = std::ranges::all_of(digits, &policy::Digit::met);
  line["digits"] = std::move(list);
  return line;
}

// ---- for people

std::string age_text(Timestamp time, Timestamp now) {
  const std::int64_t hours = std::max<std::int64_t>(now.seconds - time.seconds, 0) / 3600;
  if (hours < 1) return "under an hour";
  return hours < 48 ? counted(static_cast<std::uint64_t>(hours), "hour")
                    : counted(static_cast<std::uint64_t>(hours / 24), "day");
}

std::string kept_text(const Seen& seen) {
  if (seen.holdings.immutable) return "by the store";
  if (seen.place->offline) return "offline";
  return seen.holdings.append_only ? "by programs" : "";
}

std::string verified_text(const engine::Holdings& holdings, Timestamp now) {
  if (holdings.packs_lost > 0) return counted(holdings.packs_lost, "pack") + " LOST";
  if (damages_of(holdings) > 0) return "DAMAGED";
  if (holdings.packs_verified < holdings.packs)
    return fmt::format("{} of {} packs", holdings.packs_verified, holdings.packs);
  if (!holdings.verified_since) return "nothing to verify";
  return fmt::format("all, {} ago", age_text(*holdings.verified_since, now));
}

std::string places_text(const std::vector<Seen>& all, Timestamp now) {
  Table table({{"place"},
               {"snapshots", Align::kRight},
               {"lacks", Align::kRight},
               {"newest"},
               {"medium"},
               {"site"},
               {"kept"},
               {"verified"}});
  for (const Seen& seen : all) {
    const policy::Place& place = *seen.place;
    if (!seen.repository) {
      table.add({place.name, "?", "?", "not reachable", place.medium, place.site,
                 place.offline ? "offline" : "", "?"});
      continue;
    }
    const auto newest = newest_of(seen);
    table.add({place.name, std::to_string(seen.has), std::to_string(seen.lacks),
               newest ? age_text(*newest, now) + " old" : "none", place.medium, place.site,
               kept_text(seen), verified_text(seen.holdings, now)});
  }
  std::string text = table.render();
  if (const Seen& primary = all.front(); primary.gone > 0) {
    text += fmt::format("{} of copies not in {} any more: forgotten there or lost\n",
                        counted(primary.gone, "snapshot"), primary.place->name);
  }
  return text;
}

std::string digits_text(const std::array<policy::Digit, 5>& digits) {
  constexpr std::array kTitles{"copies", "media", "off site", "offline or immutable", "errors"};
  std::string text = "\n";
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const policy::Digit& digit = digits[i];
    text += fmt::format("{} {}  {}: {} ({})\n", digit.wanted, digit.met ? "yes" : "NO ", kTitles[i],
                        digit.found, digit.reason);
    if (!digit.next.empty()) text += fmt::format("       {}\n", digit.next);
  }
  return text;
}

}  // namespace

Result<ExitCode> show_copies(Context& context) {
  if (whole_set(context) == nullptr) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, "--copies is about a set of repositories")
            .with_hint("Give one as --repo set:FILE; docs/copies.md has an example."));
  }
  Running running(context);
  std::vector<Seen> all = TRY(look_at_all(context, running));
  running.finish();
  compare_with_whole(all, context.clock.now());
  std::vector<policy::PlaceFacts> facts;
  for (const Seen& seen : all) facts.push_back(facts_of(seen));
  const auto digits = policy::copy_digits(context.in_set->set, facts);
  Console& console = context.console;
  for (const Seen& seen : all) {
    if (seen.failure)
      console.warning(fmt::format("{}: {}", seen.place->name, seen.failure->describe()),
                      seen.failure->hint());
    if (console.json()) console.print_json(place_line(seen));
  }
  if (console.json())
    console.print_json(digits_line(digits));
  else
    console.print(places_text(all, context.clock.now()) + digits_text(digits));
  return ExitCode::kDone;
}

}  // namespace backstay::cli
