#include "cli/output_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/byte_size.h"
#include "cli/table.h"
#include "cli/text_layout.h"

namespace backstay::cli {
namespace {

char type_letter(snapshot::EntryType type) {
  using snapshot::EntryType;
  switch (type) {
    case EntryType::kFile:
      return '-';
    case EntryType::kDirectory:
      return 'd';
    case EntryType::kSymlink:
      return 'l';
    case EntryType::kFifo:
      return 'p';
    case EntryType::kSocket:
      return 's';
    case EntryType::kCharDevice:
      return 'c';
    case EntryType::kBlockDevice:
      return 'b';
  }
  return '?';
}

std::string lines_of_all(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : "\n") + printable(text);
  return out;
}

std::string rate(std::uint64_t bytes, double seconds) {
  if (seconds <= 0.05) return "";
  return fmt::format(
      ", {}/s", format_byte_size(static_cast<std::uint64_t>(static_cast<double>(bytes) / seconds)));
}

std::string owner(const std::string& user, const std::string& host) {
  if (user.empty() && host.empty()) return "";
  return printable(user) + "@" + printable(host);
}

}  // namespace

std::string comma_list(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ", ") + printable(text);
  return out;
}

std::string permissions_text(const snapshot::Entry& entry) {
  std::string out(1, type_letter(entry.type));
  for (int shift = 6; shift >= 0; shift -= 3) {
    const std::uint32_t bits = entry.mode >> shift;
    out += (bits & 4U) != 0 ? 'r' : '-';
    out += (bits & 2U) != 0 ? 'w' : '-';
    out += (bits & 1U) != 0 ? 'x' : '-';
  }
  const auto special = [&](std::size_t at, std::uint32_t bit, char letter) {
    if ((entry.mode & bit) == 0) return;
    const bool executable = out[at] == 'x';
    out[at] = executable ? letter : static_cast<char>(letter - 'a' + 'A');
  };
  special(3, 04000, 's');
  special(6, 02000, 's');
  special(9, 01000, 't');
  return out;
}

std::string name_or_number(const std::map<std::uint32_t, std::string>& names,
                           std::uint32_t number) {
  const auto named = names.find(number);
  return named == names.end() ? std::to_string(number) : named->second;
}

std::string counted(std::uint64_t number, std::string_view one) {
  return fmt::format("{} {}{}", grouped(number), one, number == 1 ? "" : "s");
}

// A file that changed meanwhile was read all the same.
std::string trouble_text(const engine::BackupReport& report) {
  const std::uint64_t changed = report.changed_while_read;
  const std::uint64_t unread = report.snapshot.stats.errors - changed;
  std::string out;
  if (unread > 0) out = counted(unread, "item") + " could not be read";
  if (changed == 0) return out;
  if (unread > 0) out += ", and ";
  return out + counted(changed, "file") + " changed while being read";
}

std::string backup_text(const engine::BackupReport& report, bool dry_run, double seconds) {
  const snapshot::Snapshot& snapshot = report.snapshot;
  const snapshot::SnapshotStats& stats = snapshot.stats;
  std::string out = render_facts({
      {"files", fmt::format("{} new, {} changed, {} unmodified, {} deleted",
                            grouped(stats.files_new), grouped(stats.files_changed),
                            grouped(stats.files_unmodified), grouped(stats.files_deleted))},
      {"total",
       fmt::format("{} in {} and {}", format_byte_size(stats.bytes_total),
                   counted(stats.files_total, "file"), counted(stats.dirs_total, "folder"))},
      {"read", format_byte_size(stats.bytes_read)},
      {dry_run ? "would add" : "added",
       fmt::format("{} of new data, {} stored", format_byte_size(stats.bytes_added),
                   format_byte_size(stats.bytes_stored))},
      {"time", fmt::format("{}{}", format_duration(seconds), rate(stats.bytes_read, seconds))},
  });
  const std::string compared =
      snapshot.parent ? fmt::format(", compared with {}", snapshot.parent->short_hex()) : "";
  const std::string kind = fmt::format("{}{}", snapshot::to_string(snapshot.type), compared);
  if (report.id) {
    const bool partial = snapshot.status == snapshot::Status::kPartial;
    out += fmt::format("snapshot {} saved ({}){}\n", report.id->short_hex(), kind,
                       partial ? ", but " + trouble_text(report) : "");
  } else if (dry_run) {
    out += fmt::format("nothing was stored: this was a dry run ({})\n", kind);
  } else if (report.skipped_unchanged) {
    out += "nothing changed: no snapshot was made\n";
  }
  return out;
}

std::string copied_text(const engine::CopiedSnapshot& one) {
  using engine::CopyOutcome;
  const snapshot::Snapshot& original = one.original.snapshot;
  std::string what;
  switch (one.outcome) {
    case CopyOutcome::kCopied:
      what = fmt::format("copied as {}, {} added, {} stored", one.copy->short_hex(),
                         format_byte_size(one.bytes_added), format_byte_size(one.bytes_stored));
      break;
    case CopyOutcome::kThereAlready:
      what = "there already as " + one.copy->short_hex();
      break;
    case CopyOutcome::kWouldBeCopied:
      what = "would be copied";
      break;
    case CopyOutcome::kForgotten:
      what = "was forgotten before its turn came";
      break;
    case CopyOutcome::kFailed:
      what = "not copied: " + one.failure;
      break;
  }
  return fmt::format("{}  {}  {}  {}: {}\n", one.original.id.short_hex(),
                     format_local(original.started), printable(original.host),
                     comma_list(original.paths), what);
}

std::string copy_text(const engine::CopyReport& report, bool dry_run, double seconds) {
  const std::string forgotten =
      report.forgotten > 0 ? fmt::format("{} forgotten meanwhile, ", report.forgotten) : "";
  return fmt::format("{} {}, {} there already, {}{} failed; {} stored in {:.1f} s\n",
                     counted(report.copied, "snapshot"), dry_run ? "would be copied" : "copied",
                     report.there_already, forgotten, report.failed,
                     format_byte_size(report.bytes_stored), seconds);
}

std::string moved_text(const engine::MovedSnapshot& one) {
  using engine::MoveOutcome;
  std::string what;
  switch (one.outcome) {
    case MoveOutcome::kMoved:
      what = "moved: its copy " + one.pair.copy.short_hex() + " was read back and is the same";
      break;
    case MoveOutcome::kStays:
      what = "stays, and was copied: " + one.why;
      break;
    case MoveOutcome::kFailed:
      what = "stays, because its copy is not good: " + one.why;
      break;
    case MoveOutcome::kWouldBeMoved:
      what = "would be moved";
      break;
  }
  return fmt::format("{}: {}\n", one.pair.original.short_hex(), printable(what));
}

std::string move_text(const engine::MoveReport& report, bool dry_run) {
  return fmt::format("{} {}, {} stay, {} failed; {} compared\n", counted(report.moved, "snapshot"),
                     dry_run ? "would be moved" : "moved", report.staying, report.failed,
                     format_byte_size(report.bytes_compared));
}

std::string restore_text(const engine::RestoreReport& report, bool dry_run, double seconds) {
  std::vector<Fact> facts{
      {dry_run ? "would restore" : "restored",
       fmt::format("{} and {}, {} {}", counted(report.files_restored, "file"),
                   counted(report.dirs_restored, "folder"), format_byte_size(report.bytes_written),
                   dry_run ? "to write" : "written")},
      {"unchanged", counted(report.files_unchanged, "file")},
  };
  if (report.files_deleted + report.dirs_deleted > 0) {
    facts.push_back({dry_run ? "would delete" : "deleted",
                     fmt::format("{} and {}", counted(report.files_deleted, "file"),
                                 counted(report.dirs_deleted, "folder"))});
  }
  if (report.bytes_verified > 0)
    facts.push_back({"verified", format_byte_size(report.bytes_verified)});
  if (report.errors > 0) {
    facts.push_back({"errors", fmt::format("{}, {} not restored", grouped(report.errors),
                                           counted(report.files_failed, "file"))});
  }
  facts.push_back(
      {"time", fmt::format("{}{}", format_duration(seconds), rate(report.bytes_written, seconds))});
  return render_facts(facts);
}

std::string snapshots_text(const std::vector<repo::StoredSnapshot>& snapshots,
                           const engine::BindingHolds& holds,
                           const std::vector<snapshot::SnapshotId>& staged) {
  const bool any_held = std::ranges::any_of(
      snapshots, [&](const repo::StoredSnapshot& stored) { return holds.contains(stored.id); });
  std::vector<Table::Column> columns{{"ID"}, {"Time"}, {"Type"}, {"Status"}, {"Host"}, {"Tags"}};
  if (any_held) columns.push_back({"Held"});
  columns.insert(columns.end(),
                 {{"Size", Align::kRight}, {"Stored", Align::kRight}, {"Paths", Align::kLeft}});
  Table table(std::move(columns));
  for (const repo::StoredSnapshot& stored : snapshots) {
    const snapshot::Snapshot& snapshot = stored.snapshot;
    std::vector<std::string> row{
        stored.id.short_hex(),
        format_local(snapshot.started),
        std::string(snapshot::to_string(snapshot.type)),
        std::string(snapshot::to_string(snapshot.status)) +
            (snapshot.repaired ? ", repaired" : "") +
            (std::ranges::find(staged, stored.id) != staged.end() ? ", in the stage" : ""),
        printable(snapshot.host),
        comma_list(snapshot.tags)};
    if (any_held) {
      const auto held = holds.find(stored.id);
      const std::string text = held == holds.end() ? "" : engine::held_text(held->second);
      row.push_back(held != holds.end() && text.empty() ? "until released" : printable(text));
    }
    row.insert(row.end(),
               {format_byte_size(snapshot.stats.bytes_total),
                format_byte_size(snapshot.stats.bytes_stored), lines_of_all(snapshot.paths)});
    table.add(std::move(row));
  }
  return table.render() + counted(snapshots.size(), "snapshot") + "\n";
}

std::string entry_text(std::string_view path, const snapshot::Entry& entry,
                       const snapshot::Snapshot& snapshot, bool for_terminal) {
  const auto shown = [&](std::string_view name) {
    return for_terminal ? printable(name) : std::string(name);
  };
  std::string line = fmt::format(
      "{} {:<8} {:<8} {:>11} {} {}", permissions_text(entry),
      shown(name_or_number(snapshot.user_names, entry.uid)),
      shown(name_or_number(snapshot.group_names, entry.gid)),
      for_terminal ? format_byte_size(entry.size_bytes) : std::to_string(entry.size_bytes),
      format_local(entry.modified), shown(path));
  if (entry.type == snapshot::EntryType::kSymlink) line += " -> " + shown(entry.symlink_target);
  return line + "\n";
}

std::string stats_text(const engine::StatsReport& report, const repo::StoredSnapshot* of) {
  std::vector<Fact> facts{
      {of == nullptr ? "snapshots" : "snapshot",
       of == nullptr ? grouped(report.snapshots) : of->id.short_hex()},
      {"content", fmt::format("{} in {} and {}", format_byte_size(report.restore_bytes),
                              counted(report.files, "file"), counted(report.dirs, "folder"))},
      {"different", fmt::format("{} in {}", format_byte_size(report.unique_bytes),
                                counted(report.unique_chunks, "chunk"))},
      {"deduplication", fmt::format("{:.2f} to 1", report.dedup_ratio)},
  };
  if (of == nullptr)
    facts.push_back({"compression", fmt::format("{:.2f} to 1", report.compression_ratio)});
  facts.push_back({"repository", format_byte_size(report.stored_bytes)});
  facts.push_back({"  data", fmt::format("{} in {}", format_byte_size(report.data_bytes),
                                         counted(report.data_packs, "pack"))});
  facts.push_back({"  metadata", fmt::format("{} in {}", format_byte_size(report.meta_bytes),
                                             counted(report.meta_packs, "pack"))});
  facts.push_back(
      {"  index", fmt::format("{} in {}, {}", format_byte_size(report.index_bytes),
                              counted(report.index_runs, "run"),
                              fmt::format("{} chunks", grouped(report.index_entries)))});
  return render_facts(facts);
}

namespace {

// More is for programs: --json names all.
constexpr std::size_t kShownDamagesMax = 100;

std::string damage_text(const engine::Damage& damage) {
  std::string out =
      fmt::format("damaged: {}: {}\n", printable(damage.object), printable(damage.what));
  for (const std::string& affected : damage.affects) out += "    " + printable(affected) + "\n";
  if (damage.affected_total > damage.affects.size()) {
    out += fmt::format("    and {} more in {} (--json names all)\n",
                       grouped(damage.affected_total - damage.affects.size()),
                       counted(damage.snapshots, "snapshot"));
  }
  return out;
}

// Each advice once, in the order of the damages.
std::string next_text(const std::vector<engine::Damage>& damages) {
  std::vector<std::string> steps;
  for (const engine::Damage& damage : damages) {
    if (!damage.next.empty() && std::ranges::find(steps, damage.next) == steps.end())
      steps.push_back(damage.next);
  }
  std::string out;
  for (const std::string& step : steps) out += "next: " + step + "\n";
  return out;
}

std::string damages_text(const std::vector<engine::Damage>& damages) {
  std::string out;
  for (std::size_t at = 0; at < std::min(damages.size(), kShownDamagesMax); ++at)
    out += damage_text(damages[at]);
  if (damages.size() > kShownDamagesMax) {
    out += fmt::format("and {} more damaged objects (--json names all)\n",
                       grouped(damages.size() - kShownDamagesMax));
  }
  return out;
}

std::string left_text(const engine::CheckReport& report) {
  std::string out;
  if (!report.structure_complete)
    out += "the time was up before all trees were looked at: more may be damaged\n";
  if (report.packs_left > 0) {
    out += fmt::format("the time was up: {} ({}) not read\n", counted(report.packs_left, "pack"),
                       format_byte_size(report.bytes_left));
  }
  if (report.stopped_by_time && out.empty()) out += "the time was up before all was looked at\n";
  return out;
}

}  // namespace

std::string check_text(const engine::CheckReport& report, double seconds) {
  std::string out = damages_text(report.damages);
  std::vector<Fact> facts;
  if (report.objects_verified > 0)
    facts.push_back({"objects", fmt::format("{} verified", grouped(report.objects_verified))});
  if (report.snapshots > 0 || report.objects_verified == 0)
    facts.push_back({"snapshots", grouped(report.snapshots)});
  if (report.pages > 0) {
    facts.push_back({"structure", fmt::format("{}, {}", counted(report.pages, "tree page"),
                                              counted(report.chunks, "chunk"))});
  }
  facts.push_back({"packs", report.packs_read == 0
                                ? fmt::format("{} present", grouped(report.packs))
                                : fmt::format("{} present, {} read ({})", grouped(report.packs),
                                              grouped(report.packs_read),
                                              format_byte_size(report.bytes_read))});
  if (report.packs_unindexed > 0) {
    facts.push_back({"left over", fmt::format("{} that no index run names: the next backup uses "
                                              "what is whole of them",
                                              counted(report.packs_unindexed, "pack"))});
  }
  if (report.packs_replaced > 0) {
    facts.push_back({"replaced", fmt::format("{} lost or damaged, of which no snapshot needs "
                                             "anything that is not stored elsewhere",
                                             counted(report.packs_replaced, "pack"))});
  }
  if (report.packs_fresh > 0) {
    facts.push_back({"not due", fmt::format("{} verified within --max-age",
                                            counted(report.packs_fresh, "pack"))});
  }
  facts.push_back({"time", format_duration(seconds)});
  out += render_facts(facts);
  out += next_text(report.damages) + left_text(report);
  out += report.damages.empty() ? "no damage found\n"
                                : counted(report.damages.size(), "damaged object") + "\n";
  return out;
}

// What a slot is good for. One that the keys of now do not confirm opens nothing after a rotation.
static std::string what_it_can(const repo::KeySlotEntry& slot) {
  if (!slot.usable) return "nothing";
  return slot.info.write_only ? "back up" : "everything";
}

std::string keys_text(const std::vector<repo::KeySlotEntry>& slots) {
  Table table({{"ID"}, {"Kind"}, {"Can"}, {"Label"}, {"Created"}, {"Made by"}, {"Used now"}});
  for (const repo::KeySlotEntry& slot : slots) {
    table.add({slot.id.short_hex(), std::string(repo::to_string(slot.info.kind)), what_it_can(slot),
               printable(slot.info.label), format_local(slot.info.created),
               owner(slot.info.user, slot.info.host), slot.opened_this_session ? "yes" : ""});
  }
  return table.render();
}

std::string_view lease_state(const repo::ListedLease& lease) {
  if (lease.alive) return "alive";
  return lease.ended ? "ended" : "dead";
}

std::string leases_text(const std::vector<repo::ListedLease>& leases) {
  Table table({{"ID"},
               {"Operation"},
               {"By"},
               {"Process", Align::kRight},
               {"Started"},
               {"Renewed", Align::kRight},
               {"State"}});
  for (const repo::ListedLease& lease : leases) {
    table.add({lease.record.id.short_hex(), printable(lease.record.operation),
               owner(lease.record.user, lease.record.host), std::to_string(lease.record.process),
               format_local(lease.record.started),
               lease.ahead && lease.alive
                   ? "ahead of the clock"
                   : format_duration(static_cast<double>(lease.age_seconds)) + " ago",
               std::string(lease_state(lease))});
  }
  return table.render();
}

}  // namespace backstay::cli
