#include "cli/prune_output.h"

#include <fmt/format.h>
#include <algorithm>
#include <thread>

#include <charconv>
#include <string>

#include "base/byte_size.h"
#include "base/try.h"
#include "cli/console.h"
#include "cli/duration.h"
#include "cli/output_json.h"
#include "cli/output_text.h"
#include "cli/running.h"
#include "cli/table.h"
#include "cli/text_layout.h"
#include "cli/weak_store.h"
#include "io/priority.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

Result<double> parse_share(std::string_view text) {
  double percent = 0;
  const bool signed_off = text.ends_with('%');
  const char* const end = text.data() + text.size() - (signed_off ? 1 : 0);
  const auto [stopped, error] = std::from_chars(text.data(), end, percent);
  if (signed_off && error == std::errc{} && stopped == end && percent >= 0 && percent <= 1000) {
    return percent / 100;
  }
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is not a percentage", text))
          .with_hint("Write for example 5%; 0% repacks everything that has something unused."));
}

json::Json prune_summary(const engine::PruneReport& report, std::string_view type, bool dry_run,
                         double seconds) {
  json::Json line = json::line_of(type);
  line["dry_run"] = dry_run;
  line["snapshots"] = report.snapshots;
  line["packs"] = report.packs;
  line["bytes_packs"] = report.bytes_packs;
  line["bytes_needed"] = report.bytes_needed;
  line["bytes_unused"] = report.bytes_unused;
  line["chunks_missing"] = report.chunks_missing;
  line["packs_dropped"] = report.packs_dropped;
  line["packs_repacked"] = report.packs_repacked;
  line["packs_damaged"] = report.packs_damaged;
  line["packs_removed"] = report.packs_removed;
  line["bytes_freed"] = report.bytes_freed;
  line["packs_locked"] = report.packs_locked;
  line["bytes_locked"] = report.bytes_locked;
  line["locked_until"] =
      report.locked_until ? json::Json(format_rfc3339(*report.locked_until)) : json::Json(nullptr);
  line["packs_waiting"] = report.packs_waiting;
  line["bytes_waiting"] = report.bytes_waiting;
  line["packs_kept"] = report.packs_kept;
  line["bytes_kept"] = report.bytes_kept;
  line["bytes_read"] = report.bytes_read;
  line["bytes_written"] = report.bytes_written;
  line["parity_bytes_read"] = report.parity.bytes_read;
  line["parity_bytes_written"] = report.parity.bytes_written;
  line["leases_ended"] = report.leases_ended;
  line["stopped_by_time"] = report.stopped_by_time;
  line["seconds"] = json::milliseconds_of(seconds);
  return line;
}

// Why packs that are given up are still there, each kind for itself.
void append_waiting(const engine::PruneReport& report, std::vector<Fact>& facts) {
  const std::uint64_t packs = report.packs_waiting - report.packs_kept;
  const std::string bytes = format_byte_size(report.bytes_waiting - report.bytes_kept);
  if (packs > 0 && !report.waiting_for.empty()) {
    facts.push_back({"later", fmt::format("{} in {}, by a prune when what runs now has ended",
                                          bytes, counted(packs, "pack"))});
  } else if (packs > 0) {
    facts.push_back(
        {"later", fmt::format("{} in {}, by the next prune", bytes, counted(packs, "pack"))});
  }
  if (report.packs_kept == 0) return;
  const char* const why = report.chunks_missing > 0
                              ? "snapshots miss something that may be in them: see 'check'"
                              : "they have what is needed and could not be stored again: see "
                                "'check --read-data'";
  facts.push_back(
      {"kept", fmt::format("{} in {}, although given up: {}", format_byte_size(report.bytes_kept),
                           counted(report.packs_kept, "pack"), why)});
}

std::string prune_text(const engine::PruneReport& report, bool dry_run, double seconds) {
  const auto bytes = [](std::uint64_t number) { return format_byte_size(number); };
  std::vector<Fact> facts;
  facts.push_back(
      {"packs", fmt::format("{} in {}, for {}", bytes(report.bytes_packs),
                            counted(report.packs, "pack"), counted(report.snapshots, "snapshot"))});
  facts.push_back({"needed", "about " + bytes(report.bytes_needed)});
  facts.push_back({"without use", counted(report.packs_dropped, "pack")});
  facts.push_back({dry_run ? "to repack" : "repacked",
                   fmt::format("{}: {} read, {} written", counted(report.packs_repacked, "pack"),
                               bytes(report.bytes_read), bytes(report.bytes_written))});
  if (report.parity.bytes_read + report.parity.bytes_written > 0) {
    facts.push_back(
        {"for parity", fmt::format("{} read, {} written", bytes(report.parity.bytes_read),
                                   bytes(report.parity.bytes_written))});
  }
  if (report.packs_damaged > 0)
    facts.push_back({"damaged", counted(report.packs_damaged, "pack") + ", kept as they are"});
  std::string freed = dry_run ? "about " + bytes(report.bytes_freed)
                              : fmt::format("{} in {}", bytes(report.bytes_freed),
                                            counted(report.packs_removed, "pack"));
  if (report.bytes_written > 0 && report.bytes_freed > report.bytes_written) {
    freed += fmt::format(": {} net of what {} written",
                         bytes(report.bytes_freed - report.bytes_written), dry_run ? "is" : "was");
  }
  facts.push_back({dry_run ? "would free" : "freed", std::move(freed)});
  append_waiting(report, facts);
  if (report.packs_locked > 0) {
    facts.push_back(
        {"locked", fmt::format("{} in {}, kept by the store {}", bytes(report.bytes_locked),
                               counted(report.packs_locked, "pack"),
                               report.locked_until
                                   ? "until " + format_local(*report.locked_until) + " at most"
                                   : "under a legal hold")});
  }
  facts.push_back({"stays unused", "about " + bytes(report.bytes_unused)});
  facts.push_back({"time", format_duration(seconds)});
  std::string out = render_facts(facts);
  if (!report.waiting_for.empty()) out += "\n" + leases_text(report.waiting_for);
  return out;
}

}  // namespace

Result<ExitCode> prune_and_show(Context& context, repo::Repository& repository,
                                const engine::PruneOptions& wanted, std::string_view type) {
  // What is lost is nobody's time: it is never urgent, and a backup beside it often is.
  static_cast<void>(io::lower_priority());
  engine::PruneOptions options = wanted;
  options.threads = context.options.threads != 0
                        ? context.options.threads
                        : std::max(1U, std::thread::hardware_concurrency());
  Running running(context);
  const engine::PruneReport report = TRY(engine::prune(repository, options, running.activity()));
  running.finish();
  Console& console = context.console;
  if (!options.dry_run) warn_of_weakness(console, repository);
  if (console.json()) {
    for (const repo::ListedLease& lease : report.waiting_for) console.print_json(lease_line(lease));
    console.print_json(prune_summary(report, type, options.dry_run, running.seconds()));
  } else {
    console.print(prune_text(report, options.dry_run, running.seconds()));
  }
  if (report.stopped_by_time)
    console.note("The time was over before everything was repacked: the next prune goes on.");
  if (report.chunks_missing > 0) {
    console.warning(fmt::format(
        "{} that snapshots need are stored nowhere: see 'backstay check'; a backup stores again "
        "what the source still has",
        counted(report.chunks_missing, "chunk")));
  }
  return report.chunks_missing + report.packs_damaged > 0 ? ExitCode::kDamage : ExitCode::kDone;
}

void append_prune_options(std::vector<Option>& options, engine::PruneOptions& to) {
  Option share{.names = "--max-unused",
               .value = "P%",
               .help =
                   "how much may stay unused, of what is needed (default 5%); what is above "
                   "that is freed by storing again what is needed of a pack",
               .set = [&to](std::string_view text) -> Result<void> {
                 to.unused_share_max = TRY(parse_share(text));
                 return {};
               }};
  Option repack{.names = "--max-repack",
                .value = "SIZE",
                .help = "empty packs of no more than this size in all by storing again",
                .set = [&to](std::string_view text) -> Result<void> {
                  to.repack_bytes_max = TRY(parse_byte_size(text));
                  return {};
                }};
  Option duration{
      .names = "--max-duration",
      .value = "TIME",
      .help =
          "begin to store no other pack again after this time, for example 30m; planning "
          "before and parity after it are not cut short",
      .set = [&to](std::string_view text) -> Result<void> {
        to.max_duration = TRY(parse_duration(text));
        return {};
      }};
  options.push_back(std::move(share));
  options.push_back(std::move(repack));
  options.push_back(flag("--repack-small", to.repack_small, "put small packs together, too"));
  options.push_back(std::move(duration));
}

}  // namespace backstay::cli
