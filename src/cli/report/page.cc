#include "cli/report/page.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/byte_size.h"
#include "cli/output_text.h"
#include "cli/report/chart.h"
#include "cli/text_layout.h"

namespace backstay::cli::report {
namespace {

constexpr std::int64_t kDaySeconds = 24 * 60 * 60;

constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark; --ink: #1d2730; --soft: #5c6b78; --paper: #fbfbf9; --card: #fff;
  --rule: #dfe4e8; --one: #1f6f8b; --two: #c8802a; --good: #2d7d46; --bad: #b3372f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9ed; --soft: #9aa8b4; --paper: #14191d;
  --card: #1c2328; --rule: #323c44; --one: #5fb3cf; --two: #e5a45c; --good: #67bd84;
  --bad: #e6766d; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 62rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 0 0 .2rem; overflow-wrap: anywhere; }
p { margin: .3rem 0; } .soft { color: var(--soft); overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: .8rem;
  margin-top: 1.2rem; }
.tile, .card { background: var(--card); border: 1px solid var(--rule); border-radius: .5rem;
  padding: .8rem 1rem; }
.card { margin-bottom: 1rem; }
.tile b { display: block; font-size: 1.35rem; font-weight: 600; }
.good b { color: var(--good); } .bad b { color: var(--bad); }
svg { width: 100%; height: auto; } .grid { stroke: var(--rule); }
.tick { fill: var(--soft); font-size: 12px; } .end { text-anchor: end; }
.line { fill: none; stroke-width: 2; } .line.one { stroke: var(--one); }
.line.two { stroke: var(--two); }
.key { display: inline-block; width: .8rem; height: .8rem; border-radius: .2rem; margin: 0 .4rem; }
.key.one { background: var(--one); } .key.two { background: var(--two); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; color: var(--soft); font-weight: 500; }
th, td { padding: .2rem .6rem .2rem 0; vertical-align: top; }
td.number, th.number { text-align: right; white-space: nowrap; }
td.name { overflow-wrap: anywhere; width: 60%; }
.bar { height: .35rem; border-radius: .2rem; background: var(--one); margin-top: .15rem; }
@media print { body { padding: 0; } .card, .tile { break-inside: avoid; } }
)";

enum class Mood : std::uint8_t { kPlain, kGood, kBad };

std::string tile(std::string_view name, const std::string& value, const std::string& note,
                 Mood mood = Mood::kPlain) {
  constexpr std::array kClasses{"tile", "tile good", "tile bad"};
  return fmt::format("<div class=\"{}\">{}<b>{}</b><span class=\"soft\">{}</span></div>\n",
                     kClasses[static_cast<std::size_t>(mood)], html_text(name), html_text(value),
                     html_text(note));
}

std::string age_text(Timestamp then, Timestamp now) {
  const std::int64_t seconds = std::max<std::int64_t>(now.seconds - then.seconds, 0);
  if (seconds < 2 * 60 * 60) return fmt::format("{} min", seconds / 60);
  if (seconds < 2 * kDaySeconds) return fmt::format("{} h", seconds / (60 * 60));
  return fmt::format("{} days", seconds / kDaySeconds);
}

std::string newest_tile(const Facts& facts) {
  if (facts.sources.empty()) return tile("Newest", "none", "there are no snapshots", Mood::kBad);
  const auto newest = std::ranges::max(facts.sources, {}, [](const SourceFacts& one) {
                        return one.newest.snapshot.started;
                      }).newest.snapshot.started;
  return tile("Newest", age_text(newest, facts.now), format_local(newest));
}

std::string growth_tile(const GrowthFacts& facts) {
  if (!facts.growth.bytes_per_day) return tile("Growth", "unknown", facts.growth.unknown_because);
  const auto per_day = static_cast<std::uint64_t>(std::max(*facts.growth.bytes_per_day, 0.0));
  const std::string full = facts.days_to_full
                               ? fmt::format("full in {:.0f} days", std::floor(*facts.days_to_full))
                               : facts.unknown_because;
  const bool soon = facts.days_to_full && *facts.days_to_full < 30;
  return tile("Growth", format_byte_size(per_day) + " a day", full,
              soon ? Mood::kBad : Mood::kPlain);
}

std::string health_tile(const Facts& facts) {
  const engine::Holdings& held = facts.holdings;
  const std::uint64_t troubles =
      facts.damaged + held.packs_damaged + held.packs_lost + held.index_damages;
  if (troubles == 0) return tile("Known damage", "none", "by what was looked at", Mood::kGood);
  return tile("Known damage", grouped(troubles),
              fmt::format("{} of snapshots, {} of packs, {} lost, {} of the index; see 'backstay "
                          "check'",
                          facts.damaged, held.packs_damaged, held.packs_lost, held.index_damages),
              Mood::kBad);
}

// What was never read back counts as not verified.
std::string verified_tile(const Facts& facts) {
  const engine::Holdings& held = facts.holdings;
  const std::uint64_t unverified = held.packs - std::min(held.packs, held.packs_verified);
  const std::string within =
      fmt::format("of {} read whole within {} days, by this machine's checks",
                  counted(held.packs, "pack"), facts.verified_within_days);
  return tile("Unverified", grouped(unverified), within,
              unverified == 0 ? Mood::kGood : Mood::kBad);
}

std::string tiles_of(const Facts& facts) {
  std::string text = "<div class=\"tiles\">\n";
  text += newest_tile(facts);
  text += tile("Snapshots", grouped(facts.snapshots),
               fmt::format("of {}", counted(facts.sources.size(), "source")));
  const std::uint64_t source = facts.points.empty() ? 0 : facts.points.back().source_bytes;
  text += tile("Stored", format_byte_size(facts.growth.stored_bytes),
               fmt::format("for {} of newest files", format_byte_size(source)));
  text += growth_tile(facts.growth) + health_tile(facts) + verified_tile(facts);
  return text + "</div>\n";
}

std::string growth_chart(const Facts& facts) {
  std::vector<Timestamp> times;
  Line stored{.name = "stored, summed up", .css_class = "one", .values = {}};
  Line source{.name = "newest files of all sources", .css_class = "two", .values = {}};
  for (const Point& point : facts.points) {
    times.push_back(point.time);
    stored.values.push_back(point.stored_sum);
    source.values.push_back(point.source_bytes);
  }
  if (!times.empty() && times.back() < facts.now) {
    times.push_back(facts.now);
    stored.values.push_back(stored.values.back());
    source.values.push_back(source.values.back());
  }
  const std::string picture =
      bytes_over_time(times, {stored, source}, "Bytes stored and bytes of the sources over time");
  if (picture.empty())
    return "<p class=\"soft\">There is nothing to draw before the second snapshot.</p>\n";
  return "<div class=\"card\">" + picture +
         "<p class=\"soft\">By the snapshots that are there now: what was forgotten is not in "
         "it.</p></div>\n";
}

std::string bar(std::uint64_t value, std::uint64_t most) {
  const double percent =
      most == 0 ? 0 : 100 * static_cast<double>(value) / static_cast<double>(most);
  return fmt::format("<div class=\"bar\" style=\"width:{:.1f}%\"></div>", percent);
}

std::string folders_of(const SourceFacts& source) {
  if (source.folders.empty()) return {};
  const std::uint64_t most = source.folders.front().stored_bytes;
  std::string text =
      "<table><tr><th>What takes space</th><th class=\"number\">Stored</th>"
      "<th class=\"number\">Size</th><th class=\"number\">Files</th></tr>\n";
  for (const engine::FolderUse& folder : source.folders) {
    text += fmt::format(
        "<tr><td class=\"name\">{}{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td>"
        "<td class=\"number\">{}</td></tr>\n",
        html_text(folder.path), bar(folder.stored_bytes, most),
        format_byte_size(folder.stored_bytes), format_byte_size(folder.bytes),
        grouped(folder.files));
  }
  return text + "</table>\n";
}

std::string changes_of(const SourceFacts& source) {
  if (!source.changed) return {};
  using engine::ChangeKind;
  const engine::DiffReport& changed = *source.changed;
  std::string text = fmt::format(
      "<p>Since the snapshot before: {} new, {} changed, {} gone; {} of new content.</p>\n",
      counted(changed.files.at(ChangeKind::kAdded), "file"),
      grouped(changed.files.at(ChangeKind::kContent) + changed.files.at(ChangeKind::kType)),
      grouped(changed.files.at(ChangeKind::kRemoved)), format_byte_size(changed.bytes_added));
  if (source.largest.empty()) return text;
  text += "<table><tr><th>What changed most</th><th>How</th><th class=\"number\">Size</th></tr>\n";
  for (const engine::Change& change : source.largest) {
    const snapshot::Entry& entry = change.after ? *change.after : *change.before;
    text += fmt::format(
        "<tr><td class=\"name\">{}</td><td>{}</td><td class=\"number\">{}</td></tr>\n",
        html_text(change.path), to_string(change.kind), format_byte_size(entry.size_bytes));
  }
  return text + "</table>\n";
}

std::string card_of(const SourceFacts& source, Timestamp now) {
  const snapshot::Snapshot& newest = source.newest.snapshot;
  std::string text = fmt::format("<div class=\"card\"><h3>{}: {}</h3>\n", html_text(source.host),
                                 html_text(fmt::format("{}", fmt::join(newest.paths, ", "))));
  text += fmt::format(
      "<p class=\"soft\">{}; the oldest of {}, the newest of {}, {} ago: {} in {}{}</p>\n",
      counted(source.snapshots, "snapshot"), format_local(source.oldest),
      format_local(newest.started), age_text(newest.started, now),
      format_byte_size(newest.stats.bytes_total), counted(newest.stats.files_total, "file"),
      newest.status == snapshot::Status::kComplete
          ? ""
          : fmt::format("; <b>{} could not be read</b>", counted(newest.stats.errors, "file")));
  return text + folders_of(source) + changes_of(source) + "</div>\n";
}

}  // namespace

std::string page_of(const Facts& facts) {
  std::string page = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'\">\n<title>Backups in {0}</title>\n<style>{1}</style>\n</head>\n<body>\n"
      "<h1>Backups in {0}</h1>\n<p class=\"soft\">Repository {2}, {3}. Made on {4}.</p>\n",
      html_text(facts.place), kStyle, html_text(facts.repository),
      facts.encryption == "none" ? "not encrypted" : html_text(facts.encryption),
      format_local(facts.now));
  page += tiles_of(facts);
  page += "<h2>Growth</h2>\n" + growth_chart(facts);
  page += "<h2>Sources</h2>\n";
  if (facts.sources.empty()) page += "<p class=\"soft\">None yet.</p>\n";
  for (const SourceFacts& source : facts.sources) page += card_of(source, facts.now);
  return page + "</body>\n</html>\n";
}

}  // namespace backstay::cli::report
