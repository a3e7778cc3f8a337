#include "cli/stats_of_growth.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/byte_size.h"
#include "base/try.h"
#include "cli/console.h"
#include "cli/output_text.h"
#include "cli/session.h"
#include "cli/table.h"
#include "json/json.h"
#include "policy/growth.h"

namespace backstay::cli {
namespace {

Result<std::uint64_t> bytes_stored_in(backend::Backend& store) {
  std::uint64_t bytes = 0;
  TRY(store.list("", [&](const backend::ObjectInfo& info) -> Result<void> {
    bytes += info.size_bytes;
    return {};
  }));
  return bytes;
}

// What is left of a capacity that a person gave is what the repository does not take of it.
Result<backend::Space> space_of(backend::Backend& store, std::uint64_t stored,
                                std::optional<std::uint64_t> capacity) {
  if (!capacity) return store.space();
  return backend::Space{.total_bytes = capacity,
                        .free_bytes = *capacity - std::min(*capacity, stored)};
}

std::string source_of(const snapshot::Snapshot& snapshot) {
  return fmt::format("{}\n{}", snapshot.host, fmt::join(snapshot.paths, "\n"));
}

void foresee(GrowthFacts& facts) {
  if (!facts.growth.bytes_per_day) {
    facts.unknown_because = facts.growth.unknown_because;
  } else if (!facts.space.free_bytes) {
    facts.unknown_because = "the store does not say how much fits; --capacity does";
  } else {
    facts.days_to_full = policy::days_to_full(*facts.growth.bytes_per_day, *facts.space.free_bytes);
    if (!facts.days_to_full)
      facts.unknown_because = facts.growth.lower_bound ? "by what is left of the backups it does "
                                                         "not grow, and some were forgotten"
                                                       : "it does not grow";
  }
}

template <typename Value>
json::Json value_or_null(const std::optional<Value>& value) {
  return value ? json::Json(*value) : json::Json(nullptr);
}

json::Json growth_line(const GrowthFacts& facts) {
  json::Json line = json::line_of("growth");
  line["backups"] = facts.growth.backups;
  line["days"] = std::round(facts.growth.days * 100) / 100;
  line["stored_bytes"] = facts.stored_bytes;
  line["bytes_per_day"] = facts.growth.bytes_per_day
                              ? json::Json(std::llround(*facts.growth.bytes_per_day))
                              : json::Json(nullptr);
  line["lower_bound"] = facts.growth.lower_bound;
  line["capacity_bytes"] = value_or_null(facts.space.total_bytes);
  line["free_bytes"] = value_or_null(facts.space.free_bytes);
  line["days_to_full"] =
      facts.days_to_full ? json::Json(std::floor(*facts.days_to_full)) : json::Json(nullptr);
  line["reason"] = facts.unknown_because;
  return line;
}

std::string growth_text(const GrowthFacts& facts) {
  const auto size = [](const std::optional<std::uint64_t>& bytes) {
    return bytes ? format_byte_size(*bytes) : std::string("unknown");
  };
  const policy::Growth& growth = facts.growth;
  std::string per_day = "unknown";
  if (growth.bytes_per_day) {
    per_day =
        fmt::format("{}{} a day, by {} over {:.0f} days", growth.lower_bound ? "at least " : "",
                    format_byte_size(static_cast<std::uint64_t>(*growth.bytes_per_day)),
                    counted(growth.backups, "backup"), growth.days);
  }
  std::string full = "unknown: " + facts.unknown_because;
  if (facts.days_to_full) {
    full = fmt::format("in {}{:.0f} days, when nothing is pruned",
                       growth.lower_bound ? "at most " : "", std::floor(*facts.days_to_full));
  }
  std::string text = render_facts({{"repository", format_byte_size(facts.stored_bytes)},
                                   {"growth", per_day},
                                   {"capacity", size(facts.space.total_bytes)},
                                   {"free", size(facts.space.free_bytes)},
                                   {"full", full}});
  if (growth.lower_bound) {
    text +=
        "The growth is a lower bound: snapshots were forgotten in between, and what they stored is "
        "not counted.\n";
  }
  return text;
}

}  // namespace

Result<GrowthFacts> growth_facts(repo::Repository& repository,
                                 const std::vector<repo::StoredSnapshot>& snapshots,
                                 std::optional<std::uint64_t> capacity_bytes) {
  std::vector<policy::StoredPoint> points;
  for (const repo::StoredSnapshot& one : snapshots) {
    points.push_back({.time = one.snapshot.finished,
                      .bytes_stored = one.snapshot.stats.bytes_stored,
                      .id = one.id.hex(),
                      .parent = one.snapshot.parent ? one.snapshot.parent->hex() : "",
                      .source = source_of(one.snapshot)});
  }
  backend::Backend& store = repository.store();
  GrowthFacts facts{.growth = policy::growth_of(std::move(points))};
  facts.stored_bytes = TRY_DOING("adding up what is stored", bytes_stored_in(store));
  facts.space = TRY_DOING("asking how much fits into " + store.describe(),
                          space_of(store, facts.stored_bytes, capacity_bytes));
  foresee(facts);
  return facts;
}

Result<ExitCode> show_growth(Context& context, std::optional<std::uint64_t> capacity_bytes) {
  const auto repository = TRY(open_repository(context));
  const SnapshotList list = TRY(list_snapshots(context, *repository));
  const GrowthFacts facts = TRY(growth_facts(*repository, list.snapshots, capacity_bytes));
  if (context.console.json())
    context.console.print_json(growth_line(facts));
  else
    context.console.print(growth_text(facts));
  return list.damaged.empty() ? ExitCode::kDone : ExitCode::kDamage;
}

}  // namespace backstay::cli
