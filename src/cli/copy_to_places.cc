#include "cli/copy_to_places.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/byte_size.h"
#include "base/try.h"
#include "cli/console.h"
#include "cli/global_options.h"
#include "cli/keep_parity.h"
#include "cli/output_text.h"
#include "cli/place_set.h"
#include "cli/running.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

using policy::Place;
using Snapshots = std::vector<repo::StoredSnapshot>;

json::Json line_of_place(const Place& place) {
  json::Json line = json::line_of("copied_to");
  line["place"] = place.name;
  return line;
}

void add_report(const engine::CopyReport& one, engine::CopyReport& total) {
  total.copied += one.copied;
  total.there_already += one.there_already;
  total.forgotten += one.forgotten;
  total.failed += one.failed;
  total.bytes_added += one.bytes_added;
  total.bytes_stored += one.bytes_stored;
  total.notes_carried += one.notes_carried;
}

}  // namespace

Result<void> CopyToPlaces::copy_all(const Place& place, const Snapshots& snapshots) {
  return copy(place, snapshots, Amount::kAll);
}

Result<void> CopyToPlaces::catch_up(const Place& place, const Snapshots& snapshots) {
  return copy(place, snapshots, Amount::kMissed);
}

Result<void> CopyToPlaces::copy(const Place& place, const Snapshots& snapshots, Amount amount) {
  const Result<Copied> copied = copy_to(place, snapshots, amount);
  if (copied) {
    tell(place, *copied);
    add_report(copied->report, total_);
    if (copied->report.failed > 0 || copied->left_out > 0) complete_ = false;
    return {};
  }
  complete_ = false;
  tell_failure(place, copied.error());
  if (copied.error().code() == ErrorCode::kCancelled)
    return std::unexpected(copied.error().clone());
  return {};
}

Result<CopyToPlaces::Copied> CopyToPlaces::copy_to(const Place& place, const Snapshots& snapshots,
                                                   Amount amount) {
  const InSet& in_set = *world_.context.in_set;
  PlaceContext there(in_set, place);
  const bool same_key = !place.has_own_secret() && !in_set.set.primary.has_own_secret();
  const auto copy = TRY(open_repository(there.context(), KeyUse::kReading, WhenChanged::kRefuse,
                                        same_key ? &world_.given : nullptr));
  Copied copied;
  engine::CatchUp chosen{.wanted = snapshots};
  if (amount == Amount::kMissed) {
    const Snapshots known = TRY(copy->snapshots([](const auto&, const Error&) {}));
    chosen = engine::catch_up(
        world_.primary.config().id, snapshots, engine::origins_of(copy->config().id, known),
        {.max = kCatchUpMax, .now = world_.context.clock.now(), .made_now = world_.made_now});
    copied.left_out = chosen.left_out;
    if (chosen.wanted.empty()) return copied;
  }
  copied.report = TRY(engine::copy(world_.primary, *copy, chosen.wanted, world_.options,
                                   world_.running.activity(), world_.on_copied));
  if (!world_.options.dry_run) keep_parity_after(there.context(), *copy, world_.running);
  return copied;
}

void CopyToPlaces::tell(const Place& place, const Copied& copied) const {
  const engine::CopyReport& report = copied.report;
  Console& console = world_.context.console;
  if (console.json()) {
    json::Json line = line_of_place(place);
    line["snapshots_copied"] = report.copied;
    line["snapshots_there_already"] = report.there_already;
    line["snapshots_failed"] = report.failed;
    line["snapshots_left_out"] = copied.left_out;
    line["bytes_stored"] = report.bytes_stored;
    console.print_json_now(line);
  } else if (!world_.context.options.quiet) {
    const std::string what =
        report.copied == 0 ? "is up to date"
                           : fmt::format("got {}, {} stored", counted(report.copied, "snapshot"),
                                         format_byte_size(report.bytes_stored));
    console.print(fmt::format("copy {} {}\n", place.name, what));
  }
  if (report.failed > 0) {
    console.warning(fmt::format("{} cannot be read whole, and the copy {} does not have them",
                                counted(report.failed, "snapshot"), place.name),
                    "'backstay check' says what is damaged.");
  }
  if (copied.left_out > 0) {
    console.warning(fmt::format("the copy {} lacks {} that are older", place.name,
                                counted(copied.left_out, "snapshot")),
                    "'backstay copy' with the same set brings all that it lacks.");
  }
}

void CopyToPlaces::tell_failure(const Place& place, const Error& error) const {
  Console& console = world_.context.console;
  const std::string hint = is_away(error) || error.hint().empty()
                               ? "The next backup, or 'backstay copy' with the same set, brings "
                                 "what it lacks. A new place begins with 'backstay init'."
                               : error.hint();
  console.warning(fmt::format("the copy {} is not up to date: {}", place.name, error.describe()),
                  hint);
  if (!console.json()) return;
  json::Json line = line_of_place(place);
  line["message"] = error.describe();
  line["hint"] = hint;
  console.print_json_now(line);
}

Result<bool> copy_after_backup(Context& context, repo::Repository& primary,
                               const GivenCredential& given,
                               const std::optional<snapshot::SnapshotId>& made_now) {
  const auto& copies = context.in_set->set.copies;
  const auto waits = [](const Place& one) { return one.copied == policy::CopyWhen::kLater; };
  if (std::ranges::all_of(copies, waits)) return true;
  if (primary.keyring().is_write_only()) {
    context.console.warning(
        "no copy was made: the key is write-only, and copying reads",
        "Say 'copy: later' in the file of the set, and run 'backstay copy' with a full key.");
    return false;
  }
  const SnapshotList list = TRY(list_snapshots(context, primary));
  TRY(load_index(context, primary));
  Running running(context);
  engine::CopyOptions options;
  options.threads = context.options.threads;
  options.memory_limit = context.options.memory_limit;
  options.wait = fence_wait(context);
  CopyToPlaces copying({.context = context,
                        .primary = primary,
                        .given = given,
                        .options = std::move(options),
                        .running = running,
                        .on_copied = [](const auto&) {},
                        .made_now = made_now});
  for (const Place& copy : copies) {
    if (!waits(copy)) TRY(copying.catch_up(copy, list.snapshots));
  }
  running.finish();
  return copying.complete();
}

}  // namespace backstay::cli
