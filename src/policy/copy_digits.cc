#include "policy/copy_digits.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

namespace backstay::policy {
namespace {

using Places = std::vector<PlaceFacts>;

// A copy is a place that has what there is to have, as far as anybody can tell at this moment. What
// is damaged may be just that.
bool counts(const PlaceFacts& place) {
  return place.reachable && place.current && place.damages == 0 && place.same_as.empty();
}

template <typename Test>
std::vector<std::string> names_of(const Places& places, const Test& test) {
  std::vector<std::string> names;
  for (const PlaceFacts& place : places) {
    if (test(place)) names.push_back(place.name);
  }
  return names;
}

std::string listed(const std::vector<std::string>& names, std::string_view otherwise) {
  return names.empty() ? std::string(otherwise) : fmt::format("{}", fmt::join(names, ", "));
}

// "reach attic; copy to garden"
std::string next_of(std::vector<std::pair<std::string, std::vector<std::string>>> steps,
                    std::string_view otherwise) {
  std::erase_if(steps, [](const auto& step) { return step.second.empty(); });
  std::vector<std::string> texts;
  for (const auto& [what, names] : steps)
    texts.push_back(fmt::format("{} {}", what, fmt::join(names, ", ")));
  return (texts.empty() ? std::string(otherwise) : fmt::format("{}", fmt::join(texts, "; "))) + ".";
}

Digit finished(Digit digit, std::string next) {
  digit.met = digit.found >= digit.wanted;
  if (!digit.met) digit.next = std::move(next);
  return digit;
}

Digit copies(const Places& places) {
  const auto there = names_of(places, counts);
  const auto away = names_of(places, [](const auto& place) { return !place.reachable; });
  const auto behind = names_of(places, [](const auto& place) {
    return place.reachable && !place.current && !place.primary;
  });
  const auto set_back = names_of(
      places, [](const auto& place) { return place.reachable && !place.current && place.primary; });
  const auto twice = names_of(places, [](const auto& place) { return !place.same_as.empty(); });
  const auto damaged = names_of(places, [](const auto& place) { return place.damages > 0; });
  Digit digit{.name = "copies", .wanted = 3, .found = 1 + there.size()};
  digit.reason = fmt::format(
      "the source, {}", listed(there, "and no place that is known to be up to date and whole"));
  for (const PlaceFacts& place : places) {
    if (!place.same_as.empty())
      digit.reason += fmt::format("; {} is the repository {}", place.name, place.same_as);
  }
  return finished(std::move(digit), next_of({{"Make reachable", away},
                                             {"Repair (docs/repair.md)", damaged},
                                             {"Run 'backstay copy' for", behind},
                                             {"Run 'backstay backup', and find out what became of "
                                              "the newest snapshots of",
                                              set_back},
                                             {"Give a repository of its own to", twice}},
                                            "Add a copy to the set"));
}

Digit media(const PlaceSet& set, const Places& places) {
  std::set<std::string> kinds;
  if (!set.source_medium.empty()) kinds.insert(set.source_medium);
  for (const PlaceFacts& place : places) {
    if (counts(place) && !place.medium.empty()) kinds.insert(place.medium);
  }
  const auto unsaid =
      names_of(places, [](const auto& place) { return counts(place) && place.medium.empty(); });
  Digit digit{.name = "media", .wanted = 2, .found = kinds.size()};
  digit.reason = listed({kinds.begin(), kinds.end()}, "no medium is known");
  return finished(std::move(digit), next_of({{"Say 'medium:' for", unsaid}},
                                            "Keep an up-to-date copy on another medium"));
}

Digit off_site(const PlaceSet& set, const Places& places) {
  Digit digit{.name = "off_site", .wanted = 1};
  if (set.source_site.empty()) {
    digit.reason = "it is not said where the source is";
    return finished(std::move(digit), "Say 'site:' under 'source:' in the file of the set.");
  }
  const auto away = names_of(places, [&](const auto& place) {
    return counts(place) && !place.site.empty() && place.site != set.source_site;
  });
  const auto unsaid =
      names_of(places, [](const auto& place) { return counts(place) && place.site.empty(); });
  digit.found = away.size();
  digit.reason =
      listed(away, fmt::format("nothing up to date is known to be outside of {}", set.source_site));
  return finished(std::move(digit), next_of({{"Say 'site:' for", unsaid}},
                                            "Keep an up-to-date copy at another site"));
}

Digit kept(const Places& places) {
  const auto safe = names_of(places, [](const auto& place) {
    return counts(place) && (place.offline || place.immutable);
  });
  Digit digit{.name = "offline_or_immutable", .wanted = 1, .found = safe.size()};
  digit.reason = listed(safe, "who has the keys can remove every up-to-date copy");
  return finished(std::move(digit),
                  "Make a copy append-only where its store enforces that, lock its snapshots "
                  "('backstay hold --lock'), or keep one on a medium that is taken away and say "
                  "'offline: true'.");
}

Digit errors(Places places) {
  std::erase_if(places, [](const auto& place) { return !place.same_as.empty(); });
  Digit digit{.name = "errors", .wanted = 0};
  std::uint64_t unverified = 0;
  for (const PlaceFacts& place : places) {
    digit.found += place.damages;
    unverified += place.packs - std::min(place.packs_verified, place.packs);
  }
  const auto damaged = names_of(places, [](const auto& place) { return place.damages > 0; });
  const auto unknown = names_of(places, [](const auto& place) { return !place.reachable; });
  const auto stale = names_of(places, [](const auto& place) {
    return place.reachable && place.packs_verified < place.packs;
  });
  digit.met = digit.found == 0 && unverified == 0 && unknown.empty();
  std::vector<std::string> reasons;
  if (digit.found > 0)
    reasons.push_back(fmt::format("{} known in {}", digit.found, fmt::join(damaged, ", ")));
  if (!stale.empty())
    reasons.push_back(
        fmt::format("{} packs not verified lately in {}", unverified, fmt::join(stale, ", ")));
  if (!unknown.empty())
    reasons.push_back(fmt::format("nothing is known of {}", fmt::join(unknown, ", ")));
  digit.reason = reasons.empty() ? "every pack of every place was verified lately"
                                 : fmt::format("{}", fmt::join(reasons, "; "));
  if (!digit.met)
    digit.next = next_of({{"Repair (docs/repair.md)", damaged},
                          {"Run 'backstay check --read-data' for", stale},
                          {"Make reachable", unknown}},
                         "");
  return digit;
}

}  // namespace

PlaceFacts facts_of(const Place& place) {
  return {.name = place.name, .medium = place.medium, .site = place.site, .offline = place.offline};
}

std::array<Digit, 5> copy_digits(const PlaceSet& set, const Places& places) {
  return {copies(places), media(set, places), off_site(set, places), kept(places), errors(places)};
}

}  // namespace backstay::policy
